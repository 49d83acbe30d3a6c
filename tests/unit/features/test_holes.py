"""Holes: a window that touches one is unknown, and everything starts anew after it."""

from __future__ import annotations

from datetime import datetime

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from barhouse.model import Timeframe
from tests.unit.features.samples import (
    computed,
    crypto,
    new_york,
    of_crypto,
    slots,
    splits,
    stock,
    stretches,
    walk,
)


def without(bars: pl.DataFrame, *rows: int) -> pl.DataFrame:
    return bars.with_row_index().filter(~pl.col("index").is_in(rows)).drop("index")


@pytest.mark.parametrize("timeframe", [Timeframe.H1, Timeframe.H4, Timeframe.D1, Timeframe.W1])
def test_after_a_hole_nothing_is_remembered(timeframe: Timeframe) -> None:
    bars = walk(slots(timeframe, "2015-01-05", 400, new_york())).drop_nulls("close")

    answer = computed(without(bars, 200), timeframe).tail(199)
    alone = computed(bars.tail(199), timeframe)

    by_time = ["return_1d", "finite", "applicable"]
    assert_frame_equal(answer.drop(by_time), alone.drop(by_time), rel_tol=1e-12)


def test_windows_are_unknown_until_they_have_left_the_hole() -> None:
    answer = computed(without(stock("IBM").head(310), 200))

    known = {name: answer[name].is_not_null()[200:].arg_true()[0] + 1 for name in answer.columns[3:16]}

    assert known == {
        "return_1d": 2,
        "volatility_20": 21,
        "volatility_50": 51,
        "atr": 15,
        "trend_direction": 20,
        "market_structure": 20,
        "rolling_volume_20": 20,
        "volume_ratio": 20,
        "volatility_regime": 100,
        "trend_regime": 50,
        "compression_regime": 69,
        "rolling_mean_10": 10,
        "rolling_slope_10": 10,
    }


def test_what_a_hole_makes_unknown_is_not_applicable() -> None:
    answer = computed(without(stock("IBM").head(310), 200))

    assert answer.select((pl.col("finite") == pl.col("applicable")).all()).item()
    assert answer["applicable"][200] == 0
    assert answer["applicable"][-1] == 13


def test_a_holiday_is_no_hole() -> None:
    around_christmas = walk(slots(Timeframe.H1, "2023-12-20", 60, new_york()))

    answer = computed(around_christmas, Timeframe.H1)

    assert answer["rolling_mean_10"].null_count() == 9


def test_in_short_bars_a_slot_that_was_read_and_is_empty_is_no_hole() -> None:
    bars = without(walk(slots(Timeframe.M30, "2024-01-02", 100, new_york())), 40, 41)
    whole = stretches((1, bars["time"][0], bars["time"][-1]))

    told, untold = (computed(bars, Timeframe.M30, read=read) for read in (whole, None))

    assert told.equals(untold)
    assert told["rolling_mean_10"].null_count() == 9


def test_in_short_bars_a_slot_that_nobody_read_is_a_hole() -> None:
    times = slots(Timeframe.M30, "2024-01-02", 100, new_york())
    bars = without(walk(times), 40, 41, 70)
    halves = [(1, times[0], times[41]), (1, times[42], times[99])]

    answer = computed(bars, Timeframe.M30, read=stretches(*halves))

    assert answer["rolling_mean_10"].is_null().arg_true().to_list() == [*range(9), *range(40, 49)]


def test_stretches_that_meet_over_closed_time_are_one() -> None:
    times = slots(Timeframe.M30, "2024-01-02", 26, new_york())
    bars = without(walk(times), 12, 13)
    days = [(1, times[0], times[0].replace(hour=23)), (1, times[13].replace(hour=9), times[25])]

    answer = computed(bars, Timeframe.M30, read=stretches(*days))

    assert answer["rolling_mean_10"].null_count() == 9


def test_stretches_within_others_take_nothing_away() -> None:
    times = slots(Timeframe.M30, "2024-01-02", 26, new_york())
    bars = without(walk(times), 20)
    read = stretches((1, times[0], times[25]), (1, times[2], times[5]), (1, times[8], times[9]))

    assert computed(bars, Timeframe.M30, read=read)["rolling_mean_10"].null_count() == 9


def test_what_was_read_of_one_instrument_says_nothing_of_another() -> None:
    times = slots(Timeframe.M30, "2024-01-02", 30, new_york())
    both = pl.concat(without(walk(times, key=key), 15) for key in (1, 2))

    answer = computed(both, Timeframe.M30, read=stretches((2, times[0], times[29])))

    assert answer["rolling_mean_10"].null_count() == 9 + 9 + 9


def test_series_in_one_batch_do_not_touch_each_other() -> None:
    parts = [stock("IBM", 1), stock("FB", 2), stock("MSFT", 3)]

    together = computed(pl.concat(parts))

    assert_frame_equal(together, pl.concat(map(computed, parts)), rel_tol=1e-12)


def test_a_bar_off_the_grid_has_no_features_and_changes_none() -> None:
    bars = stock("IBM").head(150)
    twin = bars[100].with_columns(pl.col("time").dt.offset_by("14h30m"), close=pl.lit(1.0))

    answer = computed(pl.concat([bars, twin]).sort("time"))

    assert answer.height == 151
    assert answer[101].drop("instrument", "time", "finite", "applicable").null_count().sum_horizontal().item() == 22
    assert_frame_equal(without(answer, 101), computed(bars), rel_tol=1e-12)


@pytest.mark.parametrize("price", [None, float("nan"), float("inf"), 0.0, -1.0])
def test_a_bar_without_a_sound_price_is_a_hole(price: float | None) -> None:
    bars = stock("IBM").head(200)
    here = pl.col("time") == bars["time"][100]

    answer = computed(bars.with_columns(pl.when(here).then(pl.lit(price, pl.Float64)).otherwise("low").alias("low")))

    assert answer["applicable"][100] == 0
    assert_frame_equal(answer.tail(99), computed(bars.tail(99)), rel_tol=1e-12)


@pytest.mark.parametrize("volume", [None, float("nan"), float("inf")])
def test_a_volume_that_is_unknown_makes_its_windows_unknown_and_no_others(volume: float | None) -> None:
    bars = stock("IBM").head(200)
    here = pl.col("time") == bars["time"][100]

    odd = pl.when(here).then(pl.lit(volume, pl.Float64)).otherwise("volume")

    answer = computed(bars.with_columns(odd.alias("volume")))

    assert answer["volume_ratio"].is_null().arg_true().to_list() == [*range(19), *range(100, 120)]
    assert answer["atr"].null_count() == 14


def test_nothing_traded_is_applicable_and_not_finite() -> None:
    bars = stock("IBM").head(60).with_columns(volume=pl.lit(0.0))

    answer = computed(bars)

    assert answer["volume_ratio"].null_count() == 60
    assert answer["rolling_volume_20"][-1] == 0
    assert (answer["applicable"] - answer["finite"]).to_list() == [0] * 19 + [1] * 41


def test_no_bars_have_no_features() -> None:
    bars = stock("IBM")

    assert computed(bars.clear()).schema == computed(bars.head(5)).schema


def test_crypto_knows_no_closed_time() -> None:
    bars = crypto(Timeframe.H1, 100)

    answer = of_crypto(without(bars, 50), Timeframe.H1)

    assert answer["rolling_mean_10"].is_null().arg_true().to_list() == [*range(9), *range(50, 59)]


def test_a_batch_without_any_bar_on_the_grid_is_all_unknown() -> None:
    sunday = stock("IBM").head(1).with_columns(time=pl.lit(datetime(2024, 1, 7)).dt.replace_time_zone("UTC"))

    assert computed(sunday, events=splits())["applicable"].to_list() == [0]
