"""How restless a price is."""

from __future__ import annotations

import polars as pl

from barhouse.features.registry import feature, ingredient
from barhouse.features.windows import smoothed


def annualised(bars: int) -> pl.Expr:
    """The sample standard deviation of so many log returns, scaled to a year."""
    return pl.col("log_return").rolling_std(bars, ddof=1) * pl.col("bars_per_year").sqrt()


@feature
def volatility_20() -> pl.Expr:
    """Sample standard deviation of the last 20 log returns, times the square root of the bars in a year."""
    return annualised(20)


@feature
def volatility_50() -> pl.Expr:
    """Sample standard deviation of the last 50 log returns, times the square root of the bars in a year."""
    return annualised(50)


@ingredient
def true_range() -> pl.Expr:
    """The span of a bar's prices and the close before it."""
    top = pl.max_horizontal("high", "previous_close")
    bottom = pl.min_horizontal("low", "previous_close")
    return pl.when(pl.col("previous_close").is_not_null()).then(top - bottom)


@ingredient
def average_range() -> pl.Expr:
    """Wilder's average of 14 true ranges, in the constant share basis."""
    return smoothed("true_range", 14, alpha=1 / 14, seeded=15)


@feature
def atr() -> pl.Expr:
    """Average true range of 14 bars as Wilder smooths it (TA-Lib's ATR); the first value is at bar 15."""
    return pl.col("average_range") / pl.col("factor")
