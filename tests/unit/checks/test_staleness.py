"""How long the next bar is overdue in the time of its market, by pencil and a wall calendar."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest

from barhouse.calendar import Calendar
from barhouse.checks import stale
from barhouse.model import INSTANT, Timeframe
from tests.unit.calendar.moments import known, ny, utc
from tests.unit.checks.frames import always_open, new_york

M5, H1, D1, W1 = (Timeframe.of(name) for name in ("5m", "1h", "1d", "1w"))
QUARTER = timedelta(minutes=15)


def late(
    newest: datetime, now: datetime, timeframe: Timeframe = D1, calendar: Calendar | None = None, **more: Any
) -> tuple[Any, ...] | None:
    """Hours overdue, bars missed and severity of a series whose newest bar is this one; None if nothing is due."""
    calendar = calendar or new_york()
    bars = pl.DataFrame(
        {"instrument": [1], "time": [newest], "closes": [newest]},
        schema={"instrument": pl.Int32, "time": INSTANT, "closes": INSTANT},
    )
    answer = stale(bars, calendar=calendar, timeframe=timeframe, now=now, **{"delay": QUARTER, **more})
    rows = answer.select(pl.col("overdue_seconds") / 3600, "missed", "severity").rows()
    return rows[0] if rows else None


@pytest.mark.parametrize(
    ("newest", "now", "expected"),
    [
        ("2024-01-09", ny("2024-01-10 16:15"), None),  # due this moment
        ("2024-01-09", ny("2024-01-10 16:45"), (0.5, 1, "high")),
        ("2024-01-10", ny("2024-01-10 23:00"), None),
        ("2024-01-11", ny("2024-01-16 16:15"), (24.0, 2, "high")),  # a weekend and Martin Luther King's day
        ("2024-01-12", ny("2024-01-16 16:00"), None),
        ("2024-01-11", ny("2024-01-14 12:00"), (7.75, 1, "high")),  # on a Sunday it is as late as on Friday at midnight
        ("2024-07-02", ny("2024-07-03 13:30"), (0.25, 1, "high")),  # the half day before Independence Day
        ("2024-03-07", ny("2024-03-11 16:15"), (24.0, 2, "high")),  # the clock was changed
        ("2024-01-05", ny("2024-01-11 16:15"), (72.0, 4, "high")),
        ("2024-01-05", ny("2024-01-11 16:16"), (72 + 1 / 60, 4, "critical")),
    ],
)
def test_days_are_overdue_in_sessions(newest: str, now: datetime, expected: tuple[Any, ...] | None) -> None:
    assert late(utc(newest), now) == (expected and pytest.approx(expected))


def test_a_source_with_a_delay_of_hours_has_them() -> None:
    assert late(utc("2024-01-09"), ny("2024-01-10 19:59"), delay=timedelta(hours=4)) is None
    assert late(utc("2024-01-09"), ny("2024-01-10 21:00"), delay=timedelta(hours=4)) == (1.0, 1, "high")


@pytest.mark.parametrize(
    ("newest", "now", "timeframe", "expected"),
    [
        (ny("2024-01-09 15:00"), ny("2024-01-10 10:14"), H1, None),
        (ny("2024-01-09 15:00"), ny("2024-01-10 11:30"), H1, (1.25, 2, "high")),
        (ny("2024-01-09 09:30"), ny("2024-01-09 10:00"), M5, (5 / 60, 2, "high")),
        (utc("2024-01-08"), ny("2024-01-19 16:15"), W1, None),
        (utc("2024-01-08"), ny("2024-01-22 16:15"), W1, (24.0, 1, "high")),
    ],
)
def test_other_bars_are_overdue_from_their_own_close(
    newest: datetime, now: datetime, timeframe: Timeframe, expected: tuple[Any, ...] | None
) -> None:
    assert late(newest, now, timeframe) == (expected and pytest.approx(expected))


def test_markets_that_never_close_know_no_weekend() -> None:
    assert late(utc("2024-01-12 23:00"), utc("2024-01-14 12:15"), H1, always_open()) == (35.0, 36, "high")


def test_another_exchange_keeps_its_own_holidays() -> None:
    # Boxing Day is kept in London and not in New York
    now = ny("2023-12-26 20:00")

    assert late(utc("2023-12-22"), now, D1, known("XLON")) is None
    assert late(utc("2023-12-22"), now) == (3.75, 1, "high")


def test_each_series_is_late_for_itself_and_days_may_bear_any_stamp() -> None:
    bars = pl.DataFrame(
        {"instrument": [1, 2, 3], "time": [utc("2024-01-08"), ny("2024-01-09 09:30"), utc("2024-01-10")]},
        schema={"instrument": pl.Int32, "time": INSTANT},
    ).with_columns(closes=pl.col("time") + timedelta(hours=21))

    answer = stale(bars, calendar=new_york(), timeframe=D1, delay=QUARTER, now=ny("2024-01-10 17:15"))

    assert answer.select("instrument", "missed").rows() == [(1, 2), (2, 1)]
    assert answer["last_update"].to_list() == bars["closes"][:2].to_list()


def test_no_series_and_one_from_the_future_are_not_late() -> None:
    assert late(utc("2031-01-08"), utc("2024-01-10")) is None
    nothing = pl.DataFrame(schema={"instrument": pl.Int32, "time": INSTANT, "closes": INSTANT})
    assert stale(nothing, calendar=new_york(), timeframe=D1, delay=QUARTER, now=utc("2024-01-10")).is_empty()


def test_where_no_session_is_known_nothing_is_late() -> None:
    nowhere = Calendar("NOWHERE", "UTC", new_york().sessions.clear())

    assert late(utc("2024-01-08"), utc("2024-01-10"), M5, nowhere) is None
