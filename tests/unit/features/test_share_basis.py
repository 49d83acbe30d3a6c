"""Splits: a window that holds one means the same as in a series without."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from barhouse.model import PRICES, Timeframe
from tests.unit.features.samples import computed, new_york, slots, splits, stock, walk

APPLE = [(1, date(2000, 6, 21), 2.0), (1, date(2005, 2, 28), 2.0)]
LEVELS = ["atr", "rolling_mean_10", "rolling_slope_10"]


def adjusted(bars: pl.DataFrame, events: list[tuple[int, date, float]]) -> tuple[pl.DataFrame, pl.Series]:
    """`bars` in the shares of their end, and how many of these one share of each bar became."""
    shares = pl.lit(1.0)
    for _, effective, ratio in events:
        shares *= pl.when(pl.col("time").dt.date() < effective).then(ratio).otherwise(1.0)
    return (
        bars.with_columns(pl.col(*PRICES) / shares, pl.col("volume") * shares),
        bars.select(shares).to_series(),
    )


def test_the_splits_of_apple_change_no_features_meaning() -> None:
    raw = stock("AAPL")
    smooth, shares = adjusted(raw, APPLE)

    answer, expected = computed(raw, events=splits(*APPLE)), computed(smooth)

    expected = expected.with_columns(pl.col(*LEVELS) * shares, pl.col("rolling_volume_20") / shares)
    assert_frame_equal(answer, expected, rel_tol=1e-9, abs_tol=1e-11)


def test_without_its_split_apple_would_have_lost_half_in_a_day() -> None:
    raw = stock("AAPL")
    day = pl.col("time").dt.date() == date(2005, 2, 28)

    told = computed(raw, events=splits(*APPLE)).filter(day)["return_1d"].item()
    untold = computed(raw).filter(day)["return_1d"].item()

    assert told == pytest.approx(2 * 44.86 / 88.99 - 1)
    assert untold == pytest.approx(44.86 / 88.99 - 1)


def test_a_level_is_in_the_shares_of_its_own_bar() -> None:
    times = slots(Timeframe.D1, "2024-01-02", 20, new_york())
    bars = walk(times, close=100.0, volume=10.0).with_columns(
        pl.when(pl.col("time") >= times[15]).then(25.0).otherwise(100.0).alias("close"),
        pl.when(pl.col("time") >= times[15]).then(40.0).otherwise(10.0).alias("volume"),
    )

    answer = computed(bars, events=splits((1, times[15].date(), 4.0)))

    assert answer["rolling_mean_10"].to_list() == [None] * 9 + [100.0] * 6 + [25.0] * 5
    assert answer["rolling_volume_20"][19] == 40.0


def test_a_later_split_changes_nothing() -> None:
    bars = stock("IBM").head(300)
    after = splits((1, bars["time"][-1].date().replace(year=2002), 3.0))

    assert computed(bars, events=after).equals(computed(bars))


def test_a_split_that_two_sources_tell_counts_once() -> None:
    bars = stock("AAPL").head(200)

    assert computed(bars, events=splits(APPLE[0], APPLE[0])).equals(computed(bars, events=splits(APPLE[0])))


def test_a_split_touches_its_own_instrument_only() -> None:
    apple, ibm = stock("AAPL").head(200), stock("IBM", key=2).head(200)
    other = (2, date(2000, 9, 1), 3.0)

    both = computed(pl.concat([apple, ibm]), events=splits(APPLE[0], other))

    assert_frame_equal(both.head(200), computed(apple, events=splits(APPLE[0])), rel_tol=1e-12)
    assert_frame_equal(both.tail(200), computed(ibm, events=splits(other)), rel_tol=1e-12)


def test_a_week_is_in_the_shares_of_its_close() -> None:
    weeks = slots(Timeframe.W1, "2024-01-01", 12, new_york())
    bars = walk(weeks).with_columns(pl.when(pl.col("time") >= weeks[10]).then(50.0).otherwise(100.0).alias("close"))
    wednesday = splits((1, weeks[10].date().replace(day=weeks[10].day + 2), 2.0))

    answer = computed(bars, Timeframe.W1, events=wednesday)

    assert answer["rolling_mean_10"].to_list()[9:] == [100.0, 50.0, 50.0]
