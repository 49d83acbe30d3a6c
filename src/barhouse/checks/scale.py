"""How far a series usually moves: the median of its returns and their median deviation, bar by bar."""

from __future__ import annotations

import polars as pl

WINDOW = 250
"""Returns around a bar that tell what is usual there."""

HALF = WINDOW // 2

LEAST = 30
"""Returns that are needed to tell."""

FLOOR = 0.0005
"""The smallest median deviation that is believed."""


def scale(returns: pl.DataFrame) -> pl.DataFrame:
    """The `median` of the returns around each row, and their `deviation` from it; null where there are too few.

    `returns` has `lane` (rows of a lane follow each other) and `r`. The windows of 250 begin every 125 rows, and each
    row is in the middle half of its own: that costs a tenth of a window a row.
    """
    if returns.is_empty():
        return returns.select(median="r", deviation="r")
    place, halves = pl.int_range(pl.len()).over("lane"), (pl.len().over("lane") - 1) // HALF + 2
    rows = returns.select("lane", place=place, halves=halves)
    # Lanes may take turns: how many half windows the lanes before one hold is known at its first row
    ends = pl.when(pl.col("place") == 0).then("halves").otherwise(0).cum_sum()
    rows = rows.with_columns(end=ends, begin=ends - pl.col("halves"))
    begin = pl.col("begin").first().over("lane")
    at = rows.select("end", cell=begin * HALF + HALF // 2 + pl.col("place"), window=begin + pl.col("place") // HALF)
    cells = pl.repeat(None, at["end"][-1] * HALF, dtype=pl.Float64, eager=True)
    return _measured(cells.scatter(at["cell"], returns["r"]))[at["window"]]


def _measured(cells: pl.Series) -> pl.DataFrame:
    """Median and deviation of each window of two half ones, lanes being laid out from the middle of one on."""
    half, window = pl.col("half"), pl.col("window")
    halves = cells.reshape((-1, HALF)).alias("half").to_frame()
    windows = halves.select(window=pl.concat_arr(half, half.shift(-1)))
    known = windows.with_columns(median=window.arr.median(), enough=window.arr.count_matches(None) <= WINDOW - LEAST)
    away = (window - pl.col("median")).arr.eval(pl.element().abs())
    return known.select(
        pl.when("enough").then("median"), deviation=pl.when("enough").then(away.arr.median().clip(FLOOR))
    )
