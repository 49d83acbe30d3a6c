"""The windows that formulas look through: NULL until full, NULL where they touch a hole.

Bars stand in one long column, segment after segment; `nth` counts the bars of a segment from 1, so that a
window of n bars is whole from the n-th bar on. A column that is NULL at the start of each segment needs no such
guard. The rolling kernels carry no error along: one segment leaves no trace in the next.
"""

from __future__ import annotations

import polars as pl

NTH = "nth"
"""Which bar of its segment a bar is: 1 after a hole."""

NTH_TRADED = "nth_traded"
"""The same for volumes, which in crypto start anew at a change of source too."""


def whole(expression: pl.Expr, bars: int, nth: str = NTH) -> pl.Expr:
    """`expression` where a window of so many bars lies in one segment."""
    return pl.when(pl.col(nth) >= bars).then(expression)


def before(column: str, bars: int = 1, nth: str = NTH) -> pl.Expr:
    """What `column` was so many bars ago."""
    return whole(pl.col(column).shift(bars), bars + 1, nth)


def mean(column: str, bars: int, nth: str = NTH) -> pl.Expr:
    """The mean of the last so many bars."""
    return whole(pl.col(column).rolling_mean(bars), bars, nth)


def deviation(column: str, bars: int, nth: str = NTH) -> pl.Expr:
    """The sample standard deviation of the last so many bars."""
    return whole(pl.col(column).rolling_std(bars, ddof=1), bars, nth)


def median(column: str, bars: int, known: int) -> pl.Expr:
    """The median of the last so many bars of a column that is known from the bar number `known` on."""
    # The kernel is three times as fast on columns without NULL.
    return whole(pl.col(column).fill_null(0.0).rolling_median(bars), known + bars - 1)


def highest(column: str, bars: int) -> pl.Expr:
    """The highest of the last so many bars."""
    return whole(pl.col(column).rolling_max(bars), bars)


def lowest(column: str, bars: int) -> pl.Expr:
    """The lowest of the last so many bars."""
    return whole(pl.col(column).rolling_min(bars), bars)


def smoothed(column: str, bars: int, *, alpha: float, seeded: int) -> pl.Expr:
    """The exponential mean of `column`, as TA-Lib starts it: bar `seeded` has the plain mean of `bars`."""
    seed, nth = pl.col(column).rolling_mean(bars), pl.col(NTH)
    series = pl.when(nth > seeded).then(pl.col(column)).when(nth == seeded).then(seed)
    return series.ewm_mean(alpha=alpha, adjust=False, ignore_nulls=True).over("segment")


def beyond(value: pl.Expr, band: pl.Expr, *, above: str, below: str, between: str) -> pl.Expr:
    """On which side of the band around zero a value lies."""
    return (
        pl.when(value > band)
        .then(pl.lit(above))
        .when(value < -band)
        .then(pl.lit(below))
        .when(value.is_not_null() & band.is_not_null())
        .then(pl.lit(between))
    )


def against_usual(column: str, *, below: str, usual: str, above: str) -> pl.Expr:
    """Whether `column` is below 0.7 times, above 1.3 times or near its own median of fifty bars."""
    value, median = pl.col(column), pl.col(f"{column}_median")
    return (
        pl.when(value < 0.7 * median)
        .then(pl.lit(below))
        .when(value > 1.3 * median)
        .then(pl.lit(above))
        .when(median.is_not_null())
        .then(pl.lit(usual))
    )
