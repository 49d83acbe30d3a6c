"""Where a price stands against its own past."""

from __future__ import annotations

import polars as pl

from barhouse.features.registry import feature, ingredient
from barhouse.features.windows import before, beyond, highest, lowest, mean


@ingredient
def mean_20() -> pl.Expr:
    """The mean of the last 20 closes, in the constant share basis."""
    return mean("close", 20)


@feature(text=True)
def trend_direction() -> pl.Expr:
    """up, down or neutral: close against the mean of 20 closes, beyond half an ATR or not."""
    distance = pl.col("close") - pl.col("mean_20")
    return beyond(distance, 0.5 * pl.col("average_range"), above="up", below="down", between="neutral")


@ingredient
def highest_10() -> pl.Expr:
    """The highest high of the last ten bars."""
    return highest("high", 10)


@ingredient
def lowest_10() -> pl.Expr:
    """The lowest low of the last ten bars."""
    return lowest("low", 10)


@feature(text=True)
def market_structure() -> pl.Expr:
    """bullish, bearish or range: highest high and lowest low of the last ten bars against the ten before.

    Both above is bullish, both below is bearish.
    """
    high, low = pl.col("highest_10"), pl.col("lowest_10")
    old_high, old_low = before("highest_10", 10), before("lowest_10", 10)
    return (
        pl.when((high > old_high) & (low > old_low))
        .then(pl.lit("bullish"))
        .when((high < old_high) & (low < old_low))
        .then(pl.lit("bearish"))
        .when(old_high.is_not_null() & high.is_not_null())
        .then(pl.lit("range"))
    )
