"""Adjusted closes that deny the dividends and splits told beside them."""

from __future__ import annotations

import polars as pl

SLACK = 0.25
"""The share of a dividend that its source may reckon otherwise: taxes, or the close that it is set against."""

ROUNDING = 0.01
"""What adjusted closes are rounded to at the worst."""

QUIET = 0.005
"""A smaller step of the factor on a day without a dividend is none."""


def denied(told: pl.DataFrame) -> pl.DataFrame:
    """The days on which a source's adjusted closes do not fit its own dividends and splits.

    `told` has `time, close, adjusted, dividend, ratio` of one series, oldest first; the answer also `prev_close`, and
    `expected` and `told`, the factors from the day before. A dividend d carries 1 - d / the close before; a split is in
    both closes, or 1 / its ratio in the adjusted one.
    """
    closes = pl.col("close", "adjusted")
    whole = told.filter(pl.all_horizontal(closes.is_finite() & (closes > 0)))
    share = pl.col("adjusted") / pl.col("close")
    steps = whole.with_columns(prev_close=pl.col("close").shift(), told=share.shift() / share)
    paid = pl.col("dividend").fill_null(0.0) / pl.col("prev_close")
    expected = steps.with_columns(expected=1 - paid).filter(pl.col("prev_close").is_not_null())
    rounded = 2 * ROUNDING / pl.min_horizontal("prev_close", "adjusted")
    allowed = pl.max_horizontal(SLACK * paid, rounded, pl.when(paid == 0).then(QUIET))
    split = pl.col("told") * pl.col("ratio").fill_null(1.0)
    off = pl.min_horizontal((pl.col("told") - pl.col("expected")).abs(), (split - pl.col("expected")).abs())
    return expected.filter(off > allowed)
