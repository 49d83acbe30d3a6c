"""Where a price is heading."""

from __future__ import annotations

import polars as pl

from barhouse.features.registry import feature
from barhouse.features.windows import mean, whole


@feature
def rolling_mean_10() -> pl.Expr:
    """Mean of the last ten closes."""
    return mean("close", 10) / pl.col("factor")


@feature
def rolling_slope_10() -> pl.Expr:
    """Least-squares slope of the last ten closes, in price a bar."""
    close = pl.col("close")
    # The closed form: the i-th close from the middle weighs i, the weights' squares sum up to 82.5.
    pairs = [(4.5 - i) * (close.shift(i) - close.shift(9 - i)) for i in range(5)]
    return whole(pl.sum_horizontal(pairs, ignore_nulls=False), 10) / 82.5 / pl.col("factor")
