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
    place = pl.int_range(pl.len()).over("lane")
    lanes = returns.lazy().group_by("lane", maintain_order=True).agg(halves=(pl.len() - 1) // HALF + 2).collect()
    first = lanes.select("lane", first=pl.col("halves").cum_sum() - pl.col("halves"))
    rows = returns.select("lane", place=place).join(first, on="lane", maintain_order="left")
    cells = _laid_out(returns["r"], rows, int(lanes["halves"].sum()))
    measured = _measured(cells)
    return measured[rows.select(pl.col("first") + pl.col("place") // HALF).to_series()]


def _laid_out(values: pl.Series, rows: pl.DataFrame, halves: int) -> pl.Series:
    """The values in cells, each lane from the middle of a half window on."""
    cells = pl.repeat(None, halves * HALF, dtype=pl.Float64, eager=True)
    at = rows.select(pl.col("first") * HALF + HALF // 2 + pl.col("place")).to_series()
    return cells.scatter(at, values)


def _measured(cells: pl.Series) -> pl.DataFrame:
    """Median and deviation of each window of two half ones."""
    halves = len(cells) // HALF
    starts = pl.int_range(halves, eager=True).to_frame("half")
    within = pl.int_ranges(pl.col("half") * HALF, pl.col("half") * HALF + WINDOW)
    numbers = starts.select(within.list.explode(keep_nulls=False, empty_as_null=False)).to_series()
    windows = pl.concat([cells, cells.head(HALF)]).gather(numbers)
    median = _median(windows)
    away = (windows - median.gather(pl.int_range(len(windows), eager=True) // WINDOW)).abs()
    known = windows.is_not_null().cast(pl.UInt16).reshape((-1, WINDOW)).arr.sum()
    enough = known >= LEAST
    return pl.DataFrame({"median": median, "deviation": _median(away).clip(FLOOR)}).with_columns(
        pl.when(enough).then(pl.col("median", "deviation"))
    )


def _median(windows: pl.Series) -> pl.Series:
    return windows.reshape((-1, WINDOW)).arr.median()
