"""In what state a market is, judged by its own recent past."""

from __future__ import annotations

import polars as pl

from barhouse.features.registry import feature, ingredient
from barhouse.features.windows import against_usual, beyond, deviation, median, smoothed


@ingredient
def volatility_50_median() -> pl.Expr:
    """The median of the last 50 volatilities."""
    return median("volatility_50", 50, known=51)


@feature(text=True)
def volatility_regime() -> pl.Expr:
    """low, medium or high: volatility_50 below 0.7 or above 1.3 times its own median of 50 bars."""
    return against_usual("volatility_50", below="low", usual="medium", above="high")


@ingredient
def ema_20() -> pl.Expr:
    """The exponential mean of 20 closes, seeded by their plain mean."""
    return smoothed("close", 20, alpha=2 / 21, seeded=20)


@ingredient
def ema_50() -> pl.Expr:
    """The exponential mean of 50 closes, seeded by their plain mean."""
    return smoothed("close", 50, alpha=2 / 51, seeded=50)


@feature(text=True)
def trend_regime() -> pl.Expr:
    """uptrend, downtrend or ranging: EMA 20 less EMA 50, beyond a quarter of an ATR or not."""
    spread = pl.col("ema_20") - pl.col("ema_50")
    band = 0.25 * pl.col("average_range")
    return beyond(spread, band, above="uptrend", below="downtrend", between="ranging")


@ingredient
def bandwidth() -> pl.Expr:
    """The width of a band of two deviations either side of the mean of 20 closes, over that mean."""
    return 4 * deviation("close", 20) / pl.col("mean_20")


@ingredient
def bandwidth_median() -> pl.Expr:
    """The median of the last 50 band widths."""
    return median("bandwidth", 50, known=20)


@feature(text=True)
def compression_regime() -> pl.Expr:
    """compressed, normal or expanded: four deviations of 20 closes over their mean, against its usual width.

    Below 0.7 or above 1.3 times its own median of 50 bars.
    """
    return against_usual("bandwidth", below="compressed", usual="normal", above="expanded")
