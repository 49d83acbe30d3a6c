"""The flags, by pencil and paper: beyond a limit is strictly more than the limit."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from statistics import median
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barhouse.checks import LOOK_BACK, flag
from barhouse.model import AssetClass, Timeframe
from tests.unit.checks.frames import MONDAY, always_open, days, frame, hours, new_york, series, splits

STOCK, ETF, CRYPTO = AssetClass.STOCK, AssetClass.ETF, AssetClass.CRYPTO
NONE = frame([])
HARD = 7


def flagged(
    bars: pl.DataFrame,
    asset_class: AssetClass = STOCK,
    timeframe: Timeframe = Timeframe.D1,
    *,
    before: pl.DataFrame = NONE,
    split: pl.DataFrame | None = None,
) -> pl.DataFrame:
    return flag(
        bars,
        before=before,
        asset_class=asset_class,
        timeframe=timeframe,
        calendar=always_open() if asset_class is CRYPTO else new_york(),
        splits=splits() if split is None else split,
    )


def last_flags(bars: pl.DataFrame, asset_class: AssetClass = STOCK, **more: Any) -> str | None:
    flags: str | None = flagged(bars, asset_class, **more)["flags"][-1]
    return flags


def opening_at(price: float, close_before: float) -> pl.DataFrame:
    """Two daily bars: one that closes at a price, one that opens at another."""
    return frame(
        {"time": time, **dict.fromkeys(("open", "high", "low", "close"), price)}
        for time, price in zip(days(2), (close_before, price), strict=True)
    )


def after_twenty(volume: float, usual: float = 100.0) -> pl.DataFrame:
    """Twenty bars around the usual volume (half of them a tenth below, half above), and one with another."""
    return series([0.9 * usual, 1.1 * usual] * 10 + [volume], days(21))


@pytest.mark.parametrize(("high", "expected"), [(12.0, None), (12.0001, "wide_range")])
def test_a_range_of_five_times_the_low_is_ordinary_and_more_is_not(high: float, expected: str | None) -> None:
    assert last_flags(frame([{"open": 2.0, "high": high, "low": 2.0, "close": 2.0}])) == expected


@pytest.mark.parametrize(
    ("asset_class", "up", "down"), [(STOCK, 115.0, 85.0), (ETF, 112.0, 88.0), (CRYPTO, 130.0, 70.0)]
)
def test_an_open_at_the_limit_is_ordinary_and_beyond_is_a_jump(asset_class: AssetClass, up: float, down: float) -> None:
    for limit, beyond in ((up, up + 0.01), (down, down - 0.01)):
        assert last_flags(opening_at(limit, 100.0), asset_class) is None
        assert last_flags(opening_at(beyond, 100.0), asset_class) == "open_jump"


@pytest.mark.parametrize(("close", "limit"), [(9.2, 10.58), (0.07, 0.0805), (13.4, 11.39), (333.0, 382.95)])
def test_binary_fractions_do_not_decide_at_the_limit(close: float, limit: float) -> None:
    assert last_flags(opening_at(limit, close)) is None


@pytest.mark.parametrize(
    ("asset_class", "most", "least"), [(STOCK, 500.0, 20.0), (ETF, 400.0, 15.0), (CRYPTO, 5000.0, 0.1)]
)
def test_a_volume_at_the_limit_is_ordinary_and_beyond_is_not(
    asset_class: AssetClass, most: float, least: float
) -> None:
    for limit, beyond in ((most, most * 1.001), (least, least * 0.999)):
        assert last_flags(after_twenty(limit), asset_class) is None
        assert last_flags(after_twenty(beyond), asset_class) == "unusual_volume"


def test_flags_are_counted_among_the_checks_that_apply() -> None:
    bars = flagged(after_twenty(501.0))

    assert bars["applicable"].to_list() == [HARD + 1] + [HARD + 2] * 19 + [HARD + 3]
    assert bars["passed"].to_list() == [HARD + 1] + [HARD + 2] * 19 + [HARD + 2]


def test_several_flags_of_a_bar_are_joined() -> None:
    bars = after_twenty(0.0).with_columns(
        high=pl.when(pl.col("volume") == 0).then(100.0).otherwise("high"),
        open=pl.when(pl.col("volume") == 0).then(90.0).otherwise("open"),
    )

    assert last_flags(bars) == "wide_range,open_jump,unusual_volume"


def test_stored_bars_are_the_history_of_the_first_new_ones() -> None:
    bars = after_twenty(501.0)

    judged = flagged(bars.tail(1), before=bars.head(20))

    assert judged.columns == [*bars.columns, "flags", "passed", "applicable"]
    assert judged["flags"].to_list() == ["unusual_volume"]
    assert judged["applicable"].to_list() == [HARD + 3]


def test_what_was_stored_in_the_slot_of_a_new_bar_is_not_its_past() -> None:
    bars = after_twenty(501.0)
    older = bars.tail(2).with_columns(volume=pl.lit(9e9), close=pl.lit(9e9))

    judged = flagged(bars.tail(2), before=pl.concat([bars.head(19), older]))

    assert judged["flags"].to_list() == [None, "unusual_volume"]
    assert judged["applicable"].to_list() == [HARD + 2, HARD + 3]


def test_a_bar_that_was_still_forming_when_stored_is_no_history() -> None:
    bars = after_twenty(501.0)
    before = bars.head(20).with_columns(forming=pl.col("time") == pl.col("time").max())

    assert flagged(bars.tail(1), before=before)["applicable"].to_list() == [HARD + 2]


def test_the_volume_of_a_forming_bar_is_not_judged_but_its_open_is() -> None:
    bars = after_twenty(1.0).with_columns(
        forming=pl.col("volume") == 1, open=pl.when(pl.col("volume") == 1).then(50.0).otherwise("open")
    )

    judged = flagged(bars)

    assert judged["flags"][-1] == "open_jump"
    assert judged["applicable"][-1] == HARD + 2


def test_where_nothing_traded_for_long_no_volume_is_unusual() -> None:
    judged = flagged(series([0.0] * 20 + [5.0], days(21)))

    assert judged["flags"].null_count() == 21
    assert judged["applicable"][-1] == HARD + 2


def test_series_in_one_frame_do_not_know_each_other() -> None:
    one = after_twenty(100.0)
    other = after_twenty(100.0).with_columns(pl.lit(2, pl.Int32).alias("instrument"), volume=pl.col("volume") * 1e6)
    other = other.with_columns(pl.col("open", "high", "low", "close") * 100)

    judged = flagged(pl.concat([one, other]))

    assert judged["flags"].null_count() == 42
    assert judged["applicable"].to_list() == 2 * ([HARD + 1] + [HARD + 2] * 19 + [HARD + 3])


def halved(bars: pl.DataFrame, since: datetime) -> pl.DataFrame:
    """The same bars as they trade after a 2:1 split: half the price, twice the volume."""
    after = pl.col("time") >= since
    prices = [pl.when(after).then(pl.col(n) / 2).otherwise(n).alias(n) for n in ("open", "high", "low", "close")]
    return bars.with_columns(*prices, volume=pl.when(after).then(pl.col("volume") * 2).otherwise("volume"))


def test_a_split_is_neither_a_jump_nor_a_rise_of_volume() -> None:
    bars, day = halved(after_twenty(500.0), days(21)[20]), days(21)[20].date()

    assert last_flags(bars, split=splits((1, day, 2.0))) is None
    assert last_flags(bars) == "open_jump,unusual_volume"
    assert last_flags(bars, split=splits((2, day, 2.0))) == "open_jump,unusual_volume"


def test_two_splits_in_the_window_multiply() -> None:
    bars, dates = after_twenty(500.0), [day.date() for day in days(21)]
    quarter = halved(halved(bars, days(21)[20]), days(21)[19])

    assert last_flags(quarter, split=splits((1, dates[19], 2.0), (1, dates[20], 2.0))) is None
    assert last_flags(bars, split=splits((1, dates[19], 0.5), (1, dates[20], 2.0))) is not None


def test_splits_before_and_after_all_bars_change_nothing() -> None:
    bars = after_twenty(500.0)
    far = splits((1, date(2020, 8, 31), 4.0), (1, date(2030, 1, 2), 10.0))

    assert last_flags(bars, split=far) is None


def test_a_week_in_which_a_split_falls_opens_before_and_closes_after_it() -> None:
    weeks = [MONDAY + timedelta(days=7 * number) for number in range(3)]
    prices = [(100.0, 100.0), (100.0, 50.0), (50.0, 50.0)]
    bars = frame(
        {"time": time, "open": first, "high": 100.0, "low": 50.0, "close": last}
        for time, (first, last) in zip(weeks, prices, strict=True)
    )

    wednesday = splits((1, date(2024, 1, 17), 2.0))

    assert flagged(bars, timeframe=Timeframe.W1, split=wednesday)["flags"].null_count() == 3
    assert flagged(bars, timeframe=Timeframe.W1)["flags"].to_list() == [None, None, None]
    monday = splits((1, date(2024, 1, 22), 2.0))
    assert flagged(bars, timeframe=Timeframe.W1, split=monday)["flags"].to_list() == [None, None, "open_jump"]


def test_intraday_a_slot_is_compared_with_itself_in_the_sessions_before() -> None:
    # thirty sessions around 2024-03-10, when New York's clocks changed; the first half hour is always the busiest
    sessions = days(30, datetime(2024, 2, 20, tzinfo=UTC))
    opens = [day + timedelta(hours=14.5 if day < datetime(2024, 3, 10, tzinfo=UTC) else 13.5) for day in sessions]
    times = [opened + timedelta(minutes=30 * slot) for opened in opens for slot in range(13)]
    volumes = [5000.0 if number % 13 == 0 else 100.0 for number in range(len(times))]
    quiet = volumes.copy()
    quiet[29 * 13] = 900.0

    judged = flagged(series(volumes, times), timeframe=Timeframe.M30)
    odd = flagged(series(quiet, times), timeframe=Timeframe.M30)

    assert judged["flags"].null_count() == len(times)
    assert judged["applicable"].to_list() == [HARD + 1] + [HARD + 2] * (20 * 13 - 1) + [HARD + 3] * 130
    assert odd.filter(pl.col("flags").is_not_null())["time"].to_list() == [opens[29]]


def test_extended_hours_do_not_look_back_and_are_no_history() -> None:
    opened = MONDAY + timedelta(hours=14, minutes=30)
    early = {"extended": True, "open": 30.0, "high": 300.0, "low": 30.0, "close": 30.0}
    bars = frame(
        [
            {"time": opened - timedelta(minutes=60), **early},
            {"time": opened - timedelta(minutes=30), **early},
            {"time": opened},
            {"time": opened + timedelta(hours=7), "extended": True, "open": 1.0},
            {"time": opened + timedelta(days=1)},
        ]
    )

    judged = flagged(bars, timeframe=Timeframe.M30)

    assert judged["flags"].to_list() == ["wide_range", "wide_range", None, None, None]
    assert judged["applicable"].to_list() == [HARD + 1] * 4 + [HARD + 2]


def test_volumes_of_two_sources_of_a_coin_are_not_compared() -> None:
    bars = series([100.0] * 30 + [1e9] * 25, hours(55)).with_columns(
        source=pl.Series(["binance"] * 30 + ["yahoo"] * 25)
    )

    judged = flagged(bars, CRYPTO, Timeframe.H1)

    assert judged["flags"].null_count() == 55
    assert judged["applicable"][29:].to_list() == [HARD + 3] + [HARD + 2] * 20 + [HARD + 3] * 5
    stock = flagged(bars.with_columns(time=pl.Series(days(55))))
    assert stock["flags"][30] == "unusual_volume"


def expected(rows: list[tuple[float, float, float]], events: dict[int, float]) -> list[set[str]]:
    """The flags of daily stock bars (open, close, volume), each written out as the contract says it."""
    found = []
    for t, (price, _, volume) in enumerate(rows):
        shares = [math.prod(ratio for at, ratio in events.items() if s < at <= t) for s in range(t)]
        closes = [rows[s][1] / shares[s] for s in range(t)]
        volumes = [rows[s][2] * shares[s] for s in range(t)]
        names = set()
        if closes and abs(price / closes[-1] - 1) > 0.15:
            names.add("open_jump")
        if len(volumes) >= LOOK_BACK and not 0.2 <= volume / median(volumes[-LOOK_BACK:]) <= 5:
            names.add("unusual_volume")
        found.append(names)
    return found


@given(
    st.lists(st.tuples(*[st.floats(90, 110), st.floats(90, 110), st.floats(10, 1000)]), min_size=22, max_size=45),
    st.dictionaries(st.integers(0, 44), st.sampled_from([2.0, 3.0, 1.5, 0.1]), max_size=3),
    st.integers(0, 21),
)
@settings(deadline=None, max_examples=60)
def test_flags_are_those_of_the_plain_definition(
    rows: list[tuple[float, float, float]], events: dict[int, float], known: int
) -> None:
    times = days(45)
    bars = frame(
        {"time": time, "open": first, "close": last, "volume": volume, "high": 200.0, "low": 80.0}
        for time, (first, last, volume) in zip(times, rows, strict=False)
    )
    split = splits(*((1, times[at].date(), ratio) for at, ratio in events.items()))

    judged = flagged(bars[known:], before=bars[:known], split=split)

    found = [set(flags.split(",")) if flags else set() for flags in judged["flags"]]
    assert found == expected(rows, events)[known:]


def test_an_answer_without_bars_gives_none_back() -> None:
    judged = flagged(NONE, before=after_twenty(1.0))

    assert judged.is_empty()
    assert judged.columns == [*NONE.columns, "flags", "passed", "applicable"]
    assert flagged(NONE).equals(judged)
