"""Which stored rows share a slot, and which of them stays."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import polars as pl
import pytest

from barhouse.calendar import Calendar
from barhouse.checks import doubles
from barhouse.model import INSTANT, Timeframe
from tests.unit.calendar.moments import ny, utc
from tests.unit.checks.frames import always_open, days, hours, new_york

D1, W1, H1, H4, M5 = (Timeframe.of(name) for name in ("1d", "1w", "1h", "4h", "5m"))

STORED: dict[str, Any] = {
    "instrument": pl.Int32,
    "time": INSTANT,
    "close": pl.Float64,
    "validated": pl.Boolean,
    "quality_score": pl.Float64,
    "fetch_id": pl.Int64,
}


def stored(*rows: dict[str, Any]) -> pl.DataFrame:
    """Stored rows, perfect ones of instrument 1 wherever a row says nothing else; by instrument and time."""
    usual = {"instrument": 1, "close": 10.0, "validated": True, "quality_score": 1.0, "fetch_id": 7}
    return pl.DataFrame([{**usual, **row} for row in rows], schema=STORED).sort("instrument", "time")


def found(bars: pl.DataFrame, timeframe: Timeframe, calendar: Calendar | None = None) -> list[tuple[Any, ...]]:
    answer = doubles(bars, calendar=calendar or new_york(), timeframe=timeframe)
    return answer.select("slot", "time", "keeps").rows()


def at(*moments: datetime, **fields: Any) -> list[dict[str, Any]]:
    return [{"time": moment, **fields} for moment in moments]


@pytest.mark.parametrize("odd", [ny("2024-01-09 00:00"), ny("2024-01-09 09:30"), ny("2024-01-09 16:00")])
def test_a_day_under_two_stamps_is_a_double(odd: datetime) -> None:
    bars = stored(*at(*days(3)), {"time": odd})

    assert found(bars, D1) == [(utc("2024-01-09"), utc("2024-01-09"), False), (utc("2024-01-09"), odd, True)]


def test_two_odd_stamps_without_the_canonical_one_are_a_double() -> None:
    odd = [ny("2024-01-09 00:00"), ny("2024-01-09 09:30")]

    assert found(stored(*at(*odd)), D1) == [(utc("2024-01-09"), odd[0], False), (utc("2024-01-09"), odd[1], True)]


def test_one_row_a_slot_is_none_however_it_is_stamped() -> None:
    assert found(stored(*at(ny("2024-01-09 09:30"), utc("2024-01-10"))), D1) == []
    assert found(stored(*at(utc("2024-01-09 14:37"), utc("2024-01-09 15:37"))), H1) == []


@pytest.mark.parametrize(
    ("slot", "odd", "timeframe"),
    [
        ("2024-01-09 14:00", "2024-01-09 14:30", H1),  # the hour bar of half past nine
        ("2024-01-09 14:30", "2024-01-09 15:00", H4),
        ("2024-01-09 14:35", "2024-01-09 14:39:59", M5),
        ("2024-01-09 21:00", "2024-01-09 21:59", H1),  # after the close
        ("2024-01-09 13:00", "2024-01-09 13:10", H1),  # before the open, though the bar reaches into the session
        ("2024-01-08", "2024-01-07 05:00", W1),
        ("2024-01-08", "2024-01-11", W1),
    ],
)
def test_a_stamp_between_two_slots_falls_into_the_one_around_it(slot: str, odd: str, timeframe: Timeframe) -> None:
    rows = sorted([utc(slot), utc(odd)])

    assert found(stored(*at(*rows)), timeframe) == [(utc(slot), rows[0], False), (utc(slot), rows[1], True)]


def test_days_of_markets_that_never_close_are_those_of_utc() -> None:
    bars = stored(*at(utc("2024-01-06"), utc("2024-01-06 05:00"), utc("2024-01-07")))

    assert [row[1] for row in found(bars, D1, always_open())] == [utc("2024-01-06"), utc("2024-01-06 05:00")]


def test_rows_on_a_day_without_session_are_none() -> None:
    assert found(stored(*at(utc("2024-01-06"), utc("2024-01-06 14:30"))), D1) == []
    assert found(stored(*at(utc("2024-01-06 15:00"), utc("2024-01-06 15:30"))), H1) == []


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"validated": True, "quality_score": 0.86, "fetch_id": 1}, {"validated": False, "quality_score": 0.9}),
        ({"quality_score": 0.9, "fetch_id": 1}, {"quality_score": None}),
        ({"quality_score": 0.9, "fetch_id": 1}, {"quality_score": 0.89}),
        ({"fetch_id": 8}, {"fetch_id": 7}),
        ({"fetch_id": 1}, {"fetch_id": None}),
        ({"validated": False}, {"validated": None, "quality_score": float("nan")}),
    ],
)
def test_the_better_row_stays_then_the_newer(first: dict[str, Any], second: dict[str, Any]) -> None:
    day, opening = utc("2024-01-09"), ny("2024-01-09 09:30")

    assert [row[2] for row in found(stored({"time": day, **first}, {"time": opening, **second}), D1)] == [True, False]
    assert [row[2] for row in found(stored({"time": day, **second}, {"time": opening, **first}), D1)] == [False, True]


def test_one_row_of_each_slot_and_instrument_stays_whole() -> None:
    bars = stored(
        *at(utc("2024-01-09"), ny("2024-01-09 09:30"), ny("2024-01-09 16:00"), close=1.5),
        *at(utc("2024-01-10"), instrument=2),
        *at(utc("2024-01-09"), ny("2024-01-09 00:00"), instrument=2),
    )

    answer = doubles(bars, calendar=new_york(), timeframe=D1)

    assert answer.columns == ["instrument", "slot", *bars.columns[1:], "keeps"]
    assert answer.group_by("instrument", maintain_order=True).agg(pl.len(), pl.sum("keeps")).rows() == [
        (1, 3, 1),
        (2, 2, 1),
    ]
    assert answer.filter(instrument=1)["close"].to_list() == [1.5, 1.5, 1.5]


def test_a_clean_series_and_an_empty_one_have_none() -> None:
    assert found(stored(*at(*hours(48))), H1, always_open()) == []
    assert found(stored(), D1) == []
    assert found(stored(), H1) == []
