"""Bars out of finer ones: pandas, the vendor's own longer bars and pencil know the same."""

from __future__ import annotations

import math
from datetime import date, datetime, timedelta
from pathlib import Path

import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from barhouse.calendar import Calendar
from barhouse.model import BARS, Span, Timeframe
from tests.unit.calendar.moments import bars, known, ny, real, span, utc

M1, M30, H1, H4, D1, W1 = (Timeframe.of(name) for name in ("1m", "30m", "1h", "4h", "1d", "1w"))
RULES = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}


def flat(moments: list[datetime]) -> pl.DataFrame:
    """Bars that cost their position: 1, 2, 3 …, with a volume of 10 each."""
    prices = [float(number + 1) for number in range(len(moments))]
    return bars(moments, open=prices, high=prices, low=prices, close=prices, volume=[10.0] * len(moments))


def brief(built: pl.DataFrame) -> list[tuple[object, ...]]:
    return built.select("time", "open", "close", "volume").rows()


def by_pandas(minutes: pl.DataFrame, timeframe: Timeframe) -> pl.DataFrame:
    """Regular hours of New York resampled by another library."""
    frame = minutes.to_pandas().set_index("time").tz_convert("America/New_York")
    regular = frame.between_time("09:30", "15:59")
    origin = pd.Timestamp("1998-01-02 09:30" if timeframe is H4 else "1998-01-02", tz="America/New_York")
    pieces = []
    for day, rows in regular.groupby(regular.index.date):
        start = pd.Timestamp(f"{day} {origin:%H:%M}", tz="America/New_York")
        slots = rows.resample(timedelta(minutes=timeframe.minutes), origin=start).agg(RULES).dropna()
        if timeframe is D1:
            slots.index = [pd.Timestamp(day, tz="UTC")]
        pieces.append(slots.tz_convert("UTC"))
    table = pl.from_pandas(pd.concat(pieces).rename_axis("time").reset_index())
    return table.cast(minutes.schema)


@pytest.mark.parametrize("symbol", ["SPY", "IBM", "BAC"])
@pytest.mark.parametrize("timeframe", [M30, H1, H4, D1])
def test_regular_bars_out_of_real_minutes_are_those_of_pandas(
    new_york: Calendar, shared_data: Path, symbol: str, timeframe: Timeframe
) -> None:
    minutes = real(shared_data, f"lean_equity/{symbol}.1m.20131004-20131011")

    built = new_york.build(minutes, M1, timeframe)

    placed = new_york.located(built, timeframe)
    regular = built.filter(~placed["extended"])
    assert placed["on_grid"].all()
    assert_frame_equal(regular, by_pandas(minutes, timeframe))


def test_hours_out_of_real_minutes_have_the_vendor_s_own_volume(new_york: Calendar, shared_data: Path) -> None:
    minutes = real(shared_data, "lean_equity/SPY.1m.20131004-20131011")
    hours = real(shared_data, "lean_equity/SPY.1h")

    both = new_york.build(minutes, M1, H1).join(hours, on="time", suffix="_vendor")

    assert both.height == 42
    assert both["volume"].equals(both["volume_vendor"], check_names=False)


def test_days_out_of_real_hours_are_the_vendor_s_own_on_each_full_day_since_1998(
    new_york: Calendar, shared_data: Path
) -> None:
    hours = real(shared_data, "lean_equity/SPY.1h")
    days = real(shared_data, "lean_equity/SPY.1d")
    own = days.with_columns(time=new_york.canonical(days["time"], D1))

    built = new_york.build(hours, H1, D1)

    # the vendor counts trades after an early close into the day
    full = new_york.sessions.filter(pl.col("close") - pl.col("open") == timedelta(hours=6.5))["date"]
    on_full_days = pl.col("time").dt.date().is_in(full.implode())
    assert built["time"].equals(own["time"])
    assert built.filter(on_full_days).height == 5797
    assert_frame_equal(built.filter(on_full_days), own.filter(on_full_days))


def test_weeks_out_of_real_days_are_those_of_pandas(new_york: Calendar, shared_data: Path) -> None:
    days = real(shared_data, "lean_equity/IBM.1d")
    canonical = days.with_columns(time=new_york.canonical(days["time"], D1))
    frame = canonical.to_pandas().set_index("time")
    weeks = frame.resample("W-SUN", label="left").agg(RULES).dropna()
    weeks.index = weeks.index + pd.Timedelta(days=1)

    built = new_york.build(canonical, D1, W1)

    assert_frame_equal(built, pl.from_pandas(weeks.rename_axis("time").reset_index()).cast(built.schema))


def by_hand(
    minutes: pl.DataFrame, expected: pl.DataFrame
) -> list[tuple[int, datetime, float, float, float, float, float]]:
    """Each slot's bar from the rows whose time lies between its open and close."""
    found = []
    for instrument in sorted(set(minutes["instrument"])):
        rows = minutes.filter(pl.col("instrument") == instrument).rows(named=True)
        latest = {row["time"]: row for row in rows}
        for time, opens, closes, _ in expected.rows():
            held = [latest[moment] for moment in sorted(latest) if opens <= moment < closes]
            if held:
                prices = held[0]["open"], max(r["high"] for r in held), min(r["low"] for r in held), held[-1]["close"]
                found.append((instrument, time, *prices, sum(r["volume"] for r in held)))
    return found


@st.composite
def minutes_of_a_week(draw: st.DrawFn, always: bool) -> tuple[pl.DataFrame, Span]:
    monday = draw(st.sampled_from([date(2024, 3, 11), date(2024, 7, 1), date(2024, 11, 25), date(2024, 11, 4)]))
    week = span(f"{monday}", f"{monday + timedelta(days=7)}")
    calendar = Calendar.always_open() if always else known("XNYS")
    every = calendar.expected(M1, week)["time"]
    chosen = draw(st.lists(st.integers(0, len(every) - 1), min_size=1, max_size=80))
    count = len(chosen)
    number = st.integers(1, 1000).map(float)
    columns = {name: draw(st.lists(number, min_size=count, max_size=count)) for name in RULES}
    instruments = draw(st.lists(st.sampled_from([3, 8]), min_size=count, max_size=count))
    keys = pl.Series("instrument", instruments, dtype=pl.Int32)
    return bars([every[place] for place in chosen], **columns).insert_column(0, keys), week


@pytest.mark.parametrize("always", [False, True])
@settings(max_examples=40, deadline=None)
@given(data=st.data(), timeframe=st.sampled_from([t for t in Timeframe if t is not M1]))
def test_a_built_bar_holds_what_lies_between_its_open_and_its_close(
    always: bool, data: st.DataObject, timeframe: Timeframe
) -> None:
    minutes, week = data.draw(minutes_of_a_week(always))
    calendar = Calendar.always_open() if always else known("XNYS")

    built = calendar.build(minutes, M1, timeframe)

    assert built.select("instrument", "time", *RULES).rows() == by_hand(minutes, calendar.expected(timeframe, week))


def test_all_minutes_give_exactly_the_expected_bars(new_york: Calendar, clock: Calendar) -> None:
    fortnight = span("2024-06-24", "2024-07-08")
    for calendar in (new_york, clock):
        minutes = flat(calendar.expected(M1, fortnight)["time"].to_list())
        for timeframe in [t for t in Timeframe if t is not M1]:
            built = calendar.build(minutes, M1, timeframe)

            assert built["time"].equals(calendar.expected(timeframe, fortnight)["time"])


def test_the_nine_o_clock_hour_holds_no_trade_before_the_open(new_york: Calendar) -> None:
    halves = flat([ny(f"2024-07-05 {clock}") for clock in ("08:00", "08:30", "09:00", "09:30", "10:00", "10:30")])

    built = new_york.build(halves, M30, H1)

    assert brief(built) == [
        (ny("2024-07-05 08:00"), 1.0, 2.0, 20.0),
        (ny("2024-07-05 09:00"), 4.0, 4.0, 10.0),
        (ny("2024-07-05 10:00"), 5.0, 6.0, 20.0),
    ]


def test_extended_hours_are_built_of_extended_bars_alone(new_york: Calendar) -> None:
    frame = flat([ny(f"2024-07-03 {clock}") for clock in ("12:30", "13:00", "13:30", "14:00")])
    frame = frame.with_columns(extended=pl.lit(value=False))

    built = new_york.build(frame, M30, H1)

    assert brief(built) == [
        (ny("2024-07-03 12:00"), 1.0, 1.0, 10.0),
        (ny("2024-07-03 13:00"), 2.0, 3.0, 20.0),
        (ny("2024-07-03 14:00"), 4.0, 4.0, 10.0),
    ]
    assert new_york.located(built, H1)["extended"].to_list() == [False, True, True]
    assert new_york.build(frame, M30, D1)["volume"].to_list() == [10.0]


def test_four_hours_are_built_of_yahoo_s_half_past_hours_exactly(new_york: Calendar) -> None:
    hours = [f"{hour:02}:30" for hour in range(9, 16)]
    full = flat([ny(f"2024-07-05 {clock}") for clock in hours])
    half = flat([ny(f"2024-07-03 {clock}") for clock in hours[:4]])

    assert brief(new_york.build(full, H1, H4)) == [
        (ny("2024-07-05 09:30"), 1.0, 4.0, 40.0),
        (ny("2024-07-05 13:30"), 5.0, 7.0, 30.0),
    ]
    assert brief(new_york.build(half, H1, H4)) == [(ny("2024-07-03 09:30"), 1.0, 4.0, 40.0)]


def test_no_bar_is_built_where_a_finer_one_reaches_across_its_edge(new_york: Calendar) -> None:
    hours = [f"{hour:02}:00" for hour in range(9, 16)]
    full = flat([ny(f"2024-07-05 {clock}") for clock in hours])
    half = flat([ny(f"2024-07-03 {clock}") for clock in hours[:4]])

    assert new_york.build(full, H1, H4).is_empty()
    assert brief(new_york.build(half, H1, H4)) == [(ny("2024-07-03 09:30"), 1.0, 4.0, 40.0)]


def test_no_bar_is_built_of_a_time_that_was_not_read_whole(new_york: Calendar) -> None:
    asked = Span(ny("2024-07-05 10:30"), ny("2024-07-05 12:30"))
    halves = flat([ny(f"2024-07-05 {clock}") for clock in ("10:30", "11:00", "11:30", "12:00")])

    assert brief(new_york.build(halves, M30, H1, read=asked)) == [(ny("2024-07-05 11:00"), 2.0, 3.0, 20.0)]
    assert brief(new_york.build(halves, M30, H1, read=new_york.whole(asked, H1))) == [
        (ny("2024-07-05 11:00"), 2.0, 3.0, 20.0),
        (ny("2024-07-05 12:00"), 4.0, 4.0, 10.0),
    ]


def test_a_week_is_built_when_all_its_sessions_were_read(new_york: Calendar) -> None:
    days = flat([utc(day) for day in ("2024-07-01", "2024-07-02", "2024-07-03", "2024-07-05")])

    assert new_york.build(days, D1, W1, read=span("2024-07-01", "2024-07-05")).is_empty()
    assert brief(new_york.build(days, D1, W1, read=span("2024-07-01", "2024-07-06"))) == [
        (utc("2024-07-01"), 1.0, 4.0, 40.0)
    ]


def test_a_live_row_off_the_grid_counts_nowhere(new_york: Calendar) -> None:
    rows = flat([ny("2024-07-05 10:00"), ny("2024-07-05 10:30"), ny("2024-07-05 10:47:13")])

    assert brief(new_york.build(rows, M30, H1)) == [(ny("2024-07-05 10:00"), 1.0, 2.0, 20.0)]


def test_a_day_without_session_adds_nothing_to_its_week(new_york: Calendar) -> None:
    days = flat([utc("2024-07-03"), utc("2024-07-04"), utc("2024-07-05")])

    assert brief(new_york.build(days, D1, W1)) == [(utc("2024-07-01"), 1.0, 3.0, 20.0)]


def test_the_last_of_two_rows_in_one_slot_counts_and_order_does_not(new_york: Calendar) -> None:
    rows = flat([ny("2024-07-05 10:30"), ny("2024-07-05 10:00"), ny("2024-07-05 10:30")])

    assert brief(new_york.build(rows, M30, H1)) == [(ny("2024-07-05 10:00"), 2.0, 3.0, 20.0)]


def test_crypto_follows_the_utc_clock(clock: Calendar) -> None:
    hours = flat([utc("2024-03-04") + timedelta(hours=number) for number in range(8 * 24)])

    assert brief(clock.build(hours, H1, H4))[1] == (utc("2024-03-04 04:00"), 5.0, 8.0, 40.0)
    assert brief(clock.build(hours, H1, D1))[6] == (utc("2024-03-10"), 145.0, 168.0, 240.0)
    assert brief(clock.build(hours, H1, W1)) == [
        (utc("2024-03-04"), 1.0, 168.0, 1680.0),
        (utc("2024-03-11"), 169.0, 192.0, 240.0),
    ]


def test_a_crypto_day_of_new_york_is_taken_for_no_utc_week(clock: Calendar) -> None:
    days = flat([ny("2024-03-04 00:00"), ny("2024-03-05 00:00")])

    assert clock.build(days, D1, W1).is_empty()


def test_what_adds_up_is_added_and_what_stands_is_the_last_known(clock: Calendar) -> None:
    halves = bars(
        [utc("2024-03-04 00:00"), utc("2024-03-04 00:30"), utc("2024-03-04 01:00")],
        open=[1.0, 2.0, 3.0],
        high=[5.0, 9.0, 3.0],
        low=[1.0, 0.5, 3.0],
        close=[2.0, 3.0, 3.0],
        volume=[10.0, 30.0, 0.0],
        vwap=[2.0, 4.0, None],
        trades=[3.0, None, None],
        taker_buy_volume=[4.0, 5.0, 0.0],
        liquidations_long=[1.0, 2.0, None],
        open_interest=[100.0, None, None],
        funding_rate=[0.1, 0.2, 0.3],
        forming=[False, True, False],
        origin=[4, 5, 6],
    )

    first, second = clock.build(halves, M30, H1).rows(named=True)

    assert first == {
        "time": utc("2024-03-04 00:00"), "open": 1.0, "high": 9.0, "low": 0.5, "close": 3.0, "volume": 40.0,
        "vwap": 3.5, "trades": 3.0, "taker_buy_volume": 9.0, "liquidations_long": 3.0, "open_interest": 100.0,
        "funding_rate": 0.2, "forming": True, "origin": 4,
    }  # fmt: skip
    assert (second["vwap"], second["trades"], second["liquidations_long"], second["open_interest"]) == (None,) * 4


@pytest.mark.parametrize("name", ["open", "high", "low", "close"])
@pytest.mark.parametrize("broken", [None, float("nan")])
def test_a_broken_price_is_not_hidden_in_a_longer_bar(clock: Calendar, name: str, broken: float | None) -> None:
    whole = flat([utc("2024-03-04 00:00"), utc("2024-03-04 00:30")])
    faulty = 1 if name == "close" else 0
    rows = whole.with_columns(pl.Series(name, [broken if row == faulty else 2.0 for row in (0, 1)], dtype=pl.Float64))

    (built,) = clock.build(rows, M30, H1)[name]

    assert built is None if broken is None else math.isnan(built)


def test_columns_and_types_stay_as_they_came(new_york: Calendar) -> None:
    empty = pl.DataFrame(schema={"instrument": pl.Int32, **BARS, "origin": pl.UInt32})

    for timeframe in (H1, H4, D1, W1):
        assert new_york.build(empty, M30, timeframe).schema == empty.schema


@pytest.mark.parametrize(("finer", "timeframe"), [(H1, H1), (D1, H1), (W1, D1)])
def test_bars_are_built_of_finer_ones_only(new_york: Calendar, finer: Timeframe, timeframe: Timeframe) -> None:
    with pytest.raises(ValueError, match="cannot be built"):
        new_york.build(flat([]), finer, timeframe)
