"""One share basis for all bars of a series, so that a window may hold a split.

Prices times, and volumes divided by, the product of all ratios effective up to a bar are in the basis that the
instrument began with. Ratios between bars are then what they are in the basis of any bar; a level goes back into
the basis of its own bar by the `factor` of that bar. Later splits touch neither.
"""

from __future__ import annotations

import polars as pl

from barhouse.model import PRICES


def rebased(bars: pl.DataFrame, splits: pl.DataFrame) -> pl.DataFrame:
    """`bars` in their first share basis, with the `factor` that each price was multiplied by.

    A split holds from the bar whose `day` is its effective date.
    """
    if splits.is_empty():
        return bars.with_columns(factor=pl.lit(1.0))
    days = bars.select("instrument", effective="day")
    known = days.join_asof(_factors(splits), on="effective", by="instrument", check_sortedness=False)
    return bars.with_columns(known["factor"].fill_null(1.0)).with_columns(
        pl.col(*PRICES) * pl.col("factor"), pl.col("volume") / pl.col("factor")
    )


def _factors(splits: pl.DataFrame) -> pl.DataFrame:
    """The product of all ratios up to each split; one that two sources tell counts once."""
    once = splits.unique(["instrument", "effective"], keep="first").sort("instrument", "effective")
    return once.select("instrument", "effective", factor=pl.col("ratio").cum_prod().over("instrument"))
