"""What comes later changes nothing, and what lies long ago does not matter."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from barhouse.features import WARMUP, warmup
from barhouse.model import PRICES, AssetClass, Timeframe
from tests.unit.features.samples import computed, crypto, new_york, of_crypto, slots, splits, stock, walk

NUMBERS = pl.col(*PRICES, "volume", "taker_buy_volume", "open_interest", "funding_rate")


def series(timeframe: Timeframe, asset_class: AssetClass, seed: int) -> pl.DataFrame:
    """400 bars with all kinds of inputs."""
    if asset_class is not AssetClass.CRYPTO:
        return walk(slots(timeframe, "2015-01-05", 400, new_york()), seed)
    inputs = crypto(timeframe, 400, seed + 1)
    columns = {
        "taker_buy_volume": "volume",
        "taker_sell_volume": "low",
        "open_interest": "high",
        "funding_rate": "open",
    }
    given: dict[str, Any] = {name: inputs[of] for name, of in columns.items()}
    return crypto(timeframe, 400, seed, **given)


@settings(max_examples=40, deadline=None)
@given(
    timeframe=st.sampled_from([Timeframe.M30, Timeframe.H1, Timeframe.H4, Timeframe.D1, Timeframe.W1]),
    asset_class=st.sampled_from([AssetClass.STOCK, AssetClass.CRYPTO]),
    now=st.integers(0, 399),
    factor=st.floats(1e-6, 1e6),
    gone=st.integers(1, 5),
    days=st.integers(1, 900),
)
def test_what_comes_after_a_bar_changes_nothing_at_it(
    timeframe: Timeframe, asset_class: AssetClass, now: int, factor: float, gone: int, days: int
) -> None:
    bars = series(timeframe, asset_class, now)
    seen, later = bars.head(now + 1), bars.slice(now + gone)
    end = seen["time"][-1].date() + timedelta(days=6)

    other = pl.concat([seen, later.with_columns(NUMBERS * factor)])
    events = splits((1, end + timedelta(days=days), 1 + factor))
    answer = computed(other, timeframe, asset_class, events).head(now + 1)

    assert_frame_equal(answer, computed(bars, timeframe, asset_class).head(now + 1), rel_tol=1e-13)


@pytest.mark.parametrize("timeframe", [Timeframe.H1, Timeframe.D1])
def test_the_warm_up_makes_the_tail_what_the_whole_makes_it(timeframe: Timeframe) -> None:
    bars = walk(slots(timeframe, "2005-01-03", 3000, new_york()), seed=4)

    tail = computed(bars.tail(WARMUP + 50), timeframe).tail(50)

    assert_frame_equal(tail, computed(bars, timeframe).tail(50), rel_tol=1e-12, abs_tol=0)


def test_the_warm_up_suffices_on_real_bars_with_splits() -> None:
    bars = stock("AAPL")
    events = splits((1, bars["time"][77].date(), 2.0), (1, bars["time"][1254].date(), 2.0))

    for end in (1100, 1300, 2200, bars.height):
        whole = computed(bars.head(end), events=events).tail(20)
        tail = computed(bars.slice(end - WARMUP - 20, WARMUP + 20), events=events).tail(20)
        assert_frame_equal(tail, whole, rel_tol=1e-12, abs_tol=0)


def test_a_bad_print_is_forgotten_once_it_left_the_windows() -> None:
    bars = stock("IBM").head(1500)
    here = pl.col("time") == bars["time"][200]
    bad = bars.with_columns(pl.when(here).then(pl.col(*PRICES, "volume") * 1e9).otherwise(pl.col(*PRICES, "volume")))

    recursive = ["atr", "trend_direction", "trend_regime"]
    answer, clean = (computed(frame).drop(recursive).slice(320) for frame in (bad, bars))

    assert_frame_equal(answer, clean, rel_tol=1e-9)


def test_short_bars_of_crypto_need_as_much_warm_up_as_ninety_settlements_take() -> None:
    before = warmup(AssetClass.CRYPTO, Timeframe.M15)
    funding = np.repeat(np.random.default_rng(2).normal(0, 1, 130), 32)
    bars = crypto(Timeframe.M15, len(funding), funding_rate=funding)

    tail = of_crypto(bars.tail(before + 40), Timeframe.M15).tail(40)

    assert tail["applicable"].unique().to_list() == [16]
    assert_frame_equal(tail, of_crypto(bars, Timeframe.M15).tail(40), rel_tol=1e-12, abs_tol=0)


def test_elsewhere_a_thousand_bars_warm_up() -> None:
    assert warmup(AssetClass.STOCK, Timeframe.M1) == warmup(AssetClass.CRYPTO, Timeframe.D1) == WARMUP == 1000
