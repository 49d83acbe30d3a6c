"""How much is traded."""

from __future__ import annotations

import polars as pl

from barhouse.features.registry import feature, ingredient
from barhouse.features.windows import NTH_TRADED, mean


@ingredient
def volume_mean_20() -> pl.Expr:
    """The mean volume of the last 20 bars, in the constant share basis."""
    return mean("volume", 20, NTH_TRADED)


@feature
def rolling_volume_20() -> pl.Expr:
    """Mean volume of the last 20 bars; in crypto it starts anew at a change of source."""
    return pl.col("volume_mean_20") * pl.col("factor")


@feature
def volume_ratio() -> pl.Expr:
    """Volume over its mean of 20 bars; unknown where nothing traded."""
    return pl.col("volume") / pl.col("volume_mean_20")
