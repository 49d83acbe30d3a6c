"""Which expected bars are absent, and why: real complete series, exchange-calendars and pencil know."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import exchange_calendars
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barhouse.calendar import Calendar
from barhouse.checks import gaps
from barhouse.model import ALWAYS_OPEN, INSTANT, Timeframe
from tests.unit.calendar.moments import known, ny, real, span, utc
from tests.unit.checks.frames import days, frame, new_york

M1, M30, H1, H4, D1, W1 = (Timeframe.of(name) for name in ("1m", "30m", "1h", "4h", "1d", "1w"))
TOLD: dict[str, Any] = {"instrument": pl.Int32, "start": INSTANT, "end": INSTANT, "state": pl.String}
LONG_AGO, FAR_AHEAD = utc("1990-01-01"), utc("2040-01-01")


def told(*stretches: tuple[datetime, datetime, str], instrument: int = 1) -> pl.DataFrame:
    return pl.DataFrame([(instrument, *each) for each in stretches], schema=TOLD, orient="row")


def found(bars: pl.DataFrame, timeframe: Timeframe, calendar: Calendar | None = None, **more: Any) -> pl.DataFrame:
    more = {"told": told((LONG_AGO, FAR_AHEAD, "fetched")), **more}
    return gaps(bars, calendar=calendar or new_york(), timeframe=timeframe, **more)


def reasons(answer: pl.DataFrame) -> list[tuple[Any, ...]]:
    return answer.select("first", "missing", "reason").rows()


def at(times: Iterable[datetime], **fields: Any) -> pl.DataFrame:
    """Ordinary bars of instrument 1 at these times."""
    return frame({"time": time, **fields} for time in times)


def recorded(folder: Path, name: str, timeframe: Timeframe, calendar: Calendar) -> pl.DataFrame:
    """A real series where its bars are kept."""
    rows = real(folder, name)
    rows = rows.with_columns(time=calendar.canonical(rows["time"], timeframe)).sort("time")
    placed = calendar.located(rows, timeframe)
    kept = rows.with_columns(placed["extended"], forming=False, instrument=pl.lit(1, pl.Int32))
    return kept.filter(placed["on_grid"])


@pytest.mark.parametrize(
    ("name", "timeframe"),
    [
        ("lean_equity/SPY.1d", D1),  # 1998 to 2021: the towers, Sandy, four days of mourning
        ("lean_equity/IBM.1d", D1),
        ("lean_equity/SPY.1h", H1),
        ("market_prices/MSFT_D1", D1),
        ("lean_equity/SPY.1m.20131004-20131011", M1),
        ("market_prices/MSFT_T1", M1),
        ("gym_trading_env/bitstamp_BTCUSD.1h", H1),
        ("lean_crypto/binance_BTCBUSD.1m", M1),
    ],
)
def test_a_complete_real_series_has_no_gap(shared_data: Path, name: str, timeframe: Timeframe) -> None:
    calendar = known(ALWAYS_OPEN if "BTC" in name else "XNYS")

    assert reasons(found(recorded(shared_data, name, timeframe, calendar), timeframe, calendar)) == []


@pytest.mark.parametrize("exchange", ["XNYS", "XLON", "XTKS"])
def test_the_sessions_of_any_exchange_are_complete_without_its_holidays(exchange: str) -> None:
    sessions = exchange_calendars.get_calendar(exchange, start="2010-01-01").sessions_in_range(
        "2010-01-05", "2023-12-29"
    )
    times = [utc(str(session.date())) for session in sessions]

    assert found(at(times), D1, known(exchange)).is_empty()
    assert reasons(found(at(times[:99] + times[100:]), D1, known(exchange))) == [(times[99], 1, "missing")]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("2001-09-10", "2001-09-17"),  # the towers
        ("2012-10-26", "2012-10-31"),  # Sandy
        ("2004-06-10", "2004-06-14"),  # mourning for Reagan
        ("2007-01-01 00:00", "2007-01-03"),  # for Ford
        ("2018-12-04", "2018-12-06"),  # for Bush
        ("2025-01-08", "2025-01-10"),  # for Carter
        ("2024-03-08", "2024-03-11"),  # a weekend, and the clock changes
    ],
)
def test_known_closures_are_no_gap(before: str, after: str) -> None:
    assert found(at([utc(before), utc(after)]), D1).is_empty()


COMPLETE = [
    ("XNYS", D1, span("2001-08-01", "2001-12-31")),
    ("XNYS", W1, span("2001-08-01", "2002-12-31")),
    ("XNYS", H1, span("2024-02-26", "2024-03-20")),
    ("XNYS", H4, span("2023-11-13", "2023-12-08")),
    ("XNYS", M30, span("2024-10-28", "2024-11-08")),
    ("XLON", H1, span("2024-03-20", "2024-04-05")),
    ("XTKS", M30, span("2024-04-26", "2024-05-08")),
    ("24/7", H1, span("2024-03-09", "2024-03-13")),
    ("24/7", M1, span("2024-03-10", "2024-03-10 03:00")),
]


@given(which=st.sampled_from(COMPLETE), data=st.data())
@settings(max_examples=60, deadline=None)
def test_exactly_the_removed_bars_are_reported(which: tuple[str, Timeframe, Any], data: st.DataObject) -> None:
    exchange, timeframe, whole = which
    times = known(exchange).expected(timeframe, whole)["time"].to_list()
    inner = st.sets(st.integers(1, len(times) - 2), max_size=len(times) - 2)
    away = data.draw(inner, label="away")

    answer = found(at(time for n, time in enumerate(times) if n not in away), timeframe, known(exchange))

    position = {time: n for n, time in enumerate(times)}
    runs = [range(position[first], position[last] + 1) for first, last in answer.select("first", "last").rows()]
    assert [n for run in runs for n in run] == sorted(away)
    assert answer["missing"].to_list() == [len(run) for run in runs]
    assert answer["before"].to_list() == [times[run[0] - 1] for run in runs]
    assert answer["after"].to_list() == [times[run[-1] + 1] for run in runs]
    assert all(left[-1] + 1 < right[0] for left, right in pairwise(runs))
    assert set(answer["reason"]) <= {"missing"}


def test_each_series_is_seen_for_itself() -> None:
    week = days(5)
    bars = pl.concat(at(kept, instrument=key) for key, kept in enumerate([week, week[2:], week[:1] + week[4:]]))

    answer = found(bars, D1, told=told())

    assert answer.select("instrument", "first", "missing").rows() == [(2, week[1], 3)]


@pytest.mark.parametrize(
    ("missing", "timeframe", "severity"),
    [
        *[(1, D1, "low"), (2, D1, "high"), (5, D1, "high"), (6, D1, "critical")],
        *[(1, H1, "low"), (7, H1, "medium"), (8, H1, "high"), (35, H1, "high"), (36, H1, "critical")],
    ],
)
def test_the_severity_grows_with_sessions(missing: int, timeframe: Timeframe, severity: str) -> None:
    times = new_york().expected(timeframe, span("2024-01-08", "2024-03-01"))["time"].to_list()

    [answer] = found(at(times[:3] + times[3 + missing :]), timeframe).rows(named=True)

    assert (answer["missing"], answer["severity"]) == (missing, severity)


def test_bars_of_extended_hours_fill_no_slot_and_end_no_series() -> None:
    regular = [ny(f"2024-01-08 {clock}") for clock in ("09:00", "10:00", "12:00")]
    extended = at([ny("2024-01-08 08:00"), ny("2024-01-08 17:00")], extended=True)
    bars = pl.concat([at(regular), extended]).sort("time")

    assert reasons(found(bars, H1)) == [(ny("2024-01-08 11:00"), 1, "missing")]


def test_a_day_under_another_stamp_is_there_and_an_hour_off_the_grid_is_not() -> None:
    first, second, third = days(3)

    assert found(at([first, ny("2024-01-09 00:00"), third]), D1).is_empty()
    assert found(at([first, second, utc("2024-01-13"), utc("2024-01-16")]), D1)["missing"].to_list() == [3]
    hours = [ny(f"2024-01-08 {clock}") for clock in ("09:00", "10:30", "11:00")]
    assert reasons(found(at(hours), H1)) == [(hours[1] - timedelta(minutes=30), 1, "missing")]


def test_what_came_but_was_no_bar_is_quarantined() -> None:
    week = days(5)
    turned_away = pl.DataFrame(
        {"instrument": [1, 2], "time": [week[2], week[1]]}, schema={"instrument": pl.Int32, "time": INSTANT}
    )

    answer = found(at([week[0], week[4]]), D1, quarantined=turned_away)

    assert reasons(answer) == [(week[1], 1, "missing"), (week[2], 1, "quarantined"), (week[3], 1, "missing")]
    assert answer.select("before", "after").unique().rows() == [(week[0], week[4])]


def test_the_vendor_has_nothing_where_all_who_answered_said_so() -> None:
    week = days(5)
    empty, failed = (week[1], week[3], "empty"), (week[3], week[4], "failed")

    assert reasons(found(at([week[0], week[4]]), D1, told=told(empty, failed))) == [
        (week[1], 2, "vendor_empty"),
        (week[3], 1, "missing"),
    ]
    fetched = (week[0], week[2], "fetched")
    assert reasons(found(at([week[0], week[3]]), D1, told=told(empty, fetched))) == [
        (week[1], 1, "missing"),
        (week[2], 1, "vendor_empty"),
    ]
    away, refused = (week[2], week[3], "failed"), (week[2], week[3], "refused")
    assert reasons(found(at([week[0], week[4]]), D1, told=told(empty, (week[3], week[4], "empty"), away))) == [
        (week[1], 1, "vendor_empty"),
        (week[2], 1, "missing"),
        (week[3], 1, "vendor_empty"),
    ]
    assert reasons(found(at([week[0], week[3]]), D1, told=told(empty, refused))) == [(week[1], 2, "vendor_empty")]
    assert reasons(found(at([week[0], week[2]]), D1, told=told(empty, instrument=2))) == [(week[1], 1, "missing")]


@pytest.mark.parametrize(("volume", "reason"), [(900.0, "no_trade"), (901.0, "missing"), (899.0, "missing")])
def test_a_coarser_bar_whose_volume_is_there_proves_that_nobody_traded(volume: float, reason: str) -> None:
    minutes = new_york().expected(M1, span("2024-01-08", "2024-01-09"))["time"].to_list()
    bars = at([time for n, time in enumerate(minutes[:13]) if n not in (3, 4, 11)])
    five = pl.DataFrame(
        {"instrument": 1, "opens": [minutes[0]], "closes": [minutes[12]], "volume": [volume]},
        schema={"instrument": pl.Int32, "opens": INSTANT, "closes": INSTANT, "volume": pl.Float64},
    )

    answer = found(bars, M1, coarser=five)

    assert answer["reason"].to_list() == [reason] * 2


def test_another_source_without_volume_proves_it_too() -> None:
    week = days(3)
    beside = pl.DataFrame(
        {"instrument": [1], "opens": [week[1]], "closes": [week[1] + timedelta(hours=9)], "volume": [0.0]},
        schema={"instrument": pl.Int32, "opens": INSTANT, "closes": INSTANT, "volume": pl.Float64},
    )

    assert reasons(found(at([week[0], week[2]]), D1, coarser=beside)) == [(week[1], 1, "no_trade")]


def quiet_minutes(away: set[int], single: int) -> pl.DataFrame:
    """Two hours of minutes, of which every so many has one price only."""
    minutes = new_york().expected(M1, span("2024-01-08", "2024-01-09"))["time"][:120].to_list()
    prices = {True: {"high": 11.0, "low": 11.0, "open": 11.0}, False: {}}
    return frame({"time": time, **prices[n % single == 0]} for n, time in enumerate(minutes) if n not in away)


def test_short_absences_in_a_quiet_time_that_was_read_are_nobody_trading() -> None:
    assert set(found(quiet_minutes({41, 51, 52}, 2), M1)["reason"]) == {"no_trade"}
    assert set(found(quiet_minutes({41, 51, 52}, 30), M1)["reason"]) == {"missing"}
    assert set(found(quiet_minutes({41, 51, 52}, 2), M1, told=told())["reason"]) == {"missing"}
    assert set(found(quiet_minutes(set(range(41, 61)), 2), M1)["reason"]) == {"missing"}


def test_the_lunch_break_of_an_exchange_is_no_gap_to_be_listed() -> None:
    slots = known("XTKS").expected(M30, span("2024-01-04", "2024-01-31"))
    clock = slots["time"].dt.convert_time_zone("Asia/Tokyo").dt.strftime("%H:%M")
    trading = slots.filter(~clock.is_in(["11:30", "12:00"]))["time"].to_list()

    whole = found(at(trading), M30, known("XTKS"))
    pierced = found(at(trading[:42] + trading[43:]), M30, known("XTKS"))

    assert set(whole["reason"]) == {"no_trade"}
    assert reasons(pierced.filter(pl.col("reason") != "no_trade")) == [(trading[42], 1, "missing")]


def test_one_bar_or_none_has_no_gap() -> None:
    assert found(at(days(1)), D1).is_empty()
    assert found(at([]), D1).is_empty()
    assert found(at([datetime.combine(date(2024, 1, 6), datetime.min.time(), utc("2024-01-06").tzinfo)]), D1).is_empty()
