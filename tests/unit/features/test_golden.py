"""The features of real bars against what TA-Lib and numpy make of the same bars."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import polars as pl
import pytest
import talib

from barhouse.model import PRICES
from tests.unit.features.samples import computed, stock

Values = np.ndarray[tuple[int], np.dtype[np.float64]]


@pytest.fixture(scope="module", params=["IBM", "GOOG"])
def bars(request: pytest.FixtureRequest) -> pl.DataFrame:
    """Years without a split."""
    return stock(request.param)


@pytest.fixture(scope="module")
def answer(bars: pl.DataFrame) -> pl.DataFrame:
    return computed(bars)


@pytest.fixture(scope="module")
def prices(bars: pl.DataFrame) -> dict[str, Values]:
    return {name: bars[name].to_numpy() for name in (*PRICES, "volume")}


def same(feature: pl.Series, expected: Values) -> None:
    """Equal to 12 digits, and unknown at the same bars."""
    np.testing.assert_allclose(feature.to_numpy(), expected, rtol=1e-12, atol=1e-12)


def windows(values: Values, size: int) -> Values:
    padded = np.concatenate([np.full(size - 1, np.nan), values])
    return np.lib.stride_tricks.sliding_window_view(padded, size)


def test_atr_is_that_of_talib(answer: pl.DataFrame, prices: dict[str, Values]) -> None:
    expected = talib.ATR(prices["high"], prices["low"], prices["close"], 14)

    same(answer["atr"], expected)

    assert answer["atr"].is_not_null().arg_true()[0] == 14


def test_the_mean_and_the_slope_of_ten_closes_are_those_of_talib(
    answer: pl.DataFrame, prices: dict[str, Values]
) -> None:
    same(answer["rolling_mean_10"], talib.SMA(prices["close"], 10))
    slope = talib.LINEARREG_SLOPE(prices["close"], 10)
    np.testing.assert_allclose(answer["rolling_slope_10"].to_numpy(), slope, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("length", [20, 50])
def test_volatility_is_the_deviation_of_log_returns_in_a_year_of_252_days(
    answer: pl.DataFrame, prices: dict[str, Values], length: int
) -> None:
    returns = np.diff(np.log(prices["close"]), prepend=np.nan)

    expected = windows(returns, length).std(axis=1, ddof=1) * np.sqrt(252)

    np.testing.assert_allclose(answer[f"volatility_{length}"].to_numpy(), expected, rtol=1e-10)


def test_volume_stands_against_the_mean_of_talib(answer: pl.DataFrame, prices: dict[str, Values]) -> None:
    mean = talib.SMA(prices["volume"], 20)

    same(answer["rolling_volume_20"], mean)
    same(answer["volume_ratio"], prices["volume"] / mean)


def test_the_daily_return_is_close_over_close(answer: pl.DataFrame, prices: dict[str, Values]) -> None:
    expected = [after / before - 1 for before, after in pairwise(prices["close"])]

    same(answer["return_1d"], np.array([np.nan, *expected]))

    assert answer["return_1h"].null_count() == answer.height


def words(value: Values, low: Values | float, high: Values | float, names: tuple[str, str, str]) -> list[str | None]:
    below, between, above = names
    text = np.where(value > high, above, np.where(value < low, below, between))
    known = ~(np.isnan(value) | np.isnan(low) | np.isnan(high))
    return [str(word) if there else None for word, there in zip(text, known, strict=True)]


def test_the_trends_are_those_of_talibs_means_and_range(answer: pl.DataFrame, prices: dict[str, Values]) -> None:
    close = prices["close"]
    atr = talib.ATR(prices["high"], prices["low"], close, 14)
    distance, spread = close - talib.SMA(close, 20), talib.EMA(close, 20) - talib.EMA(close, 50)

    direction = words(distance, -0.5 * atr, 0.5 * atr, ("down", "neutral", "up"))
    regime = words(spread, -0.25 * atr, 0.25 * atr, ("downtrend", "ranging", "uptrend"))

    assert answer["trend_direction"].to_list() == direction
    assert answer["trend_regime"].to_list() == regime


def test_the_regimes_stand_against_their_own_median_of_fifty_bars(
    answer: pl.DataFrame, prices: dict[str, Values]
) -> None:
    volatility = answer["volatility_50"].to_numpy()
    width = 4 * talib.STDDEV(prices["close"], 20) / talib.SMA(prices["close"], 20)

    for value, name, states in (
        (volatility, "volatility_regime", ("low", "medium", "high")),
        (width, "compression_regime", ("compressed", "normal", "expanded")),
    ):
        median = np.median(windows(value, 50), axis=1)
        assert answer[name].to_list() == words(value, 0.7 * median, 1.3 * median, states)


def test_market_structure_compares_ten_bars_with_the_ten_before(
    answer: pl.DataFrame, prices: dict[str, Values]
) -> None:
    high, low = talib.MAX(prices["high"], 10), talib.MIN(prices["low"], 10)
    before = [np.concatenate([np.full(10, np.nan), values[:-10]]) for values in (high, low)]
    rises = [values > old for values, old in zip((high, low), before, strict=True)]
    falls = [values < old for values, old in zip((high, low), before, strict=True)]

    expected = np.where(rises[0] & rises[1], "bullish", np.where(falls[0] & falls[1], "bearish", "range"))

    assert answer["market_structure"].to_list() == [None] * 19 + expected[19:].tolist()


def test_every_feature_of_a_stock_is_known_once_warm(answer: pl.DataFrame) -> None:
    late = answer.tail(100)

    assert late["finite"].unique().to_list() == [13]
    assert late["applicable"].unique().to_list() == [13]
    assert late["delta"].null_count() == 100
