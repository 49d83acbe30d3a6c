"""Funding settlements, as bars show them: each bar carries the rate that was last known at its close.

Perpetual futures settle at 00:00, 08:00 and 16:00 UTC. The bars that close from one such instant up to the next
belong to one settlement, whose rate is that of the last of them; a bar of eight hours or more shows one only.
"""

from __future__ import annotations

import polars as pl

from barhouse.model import Timeframe

EVERY = 8 * 3_600_000_000
LOOKBACK = 90


def shown_by(timeframe: Timeframe) -> int:
    """How many bars it takes to show the settlement of the last one, and all that it is ranked among."""
    return (LOOKBACK + 2) * max(1, 480 // timeframe.minutes)


def ranked(bars: pl.DataFrame, timeframe: Timeframe) -> pl.DataFrame:
    """`bars` with `settlements_below`: how many of the 90 settlements before had a lower funding rate."""
    if bars["funding_rate"].null_count() == bars.height:
        return bars.with_columns(settlements_below=pl.lit(None, pl.UInt32))
    shown = _settlements(bars, timeframe)
    rates = shown.filter(pl.col("opens").shift(-1, fill_value=True))["rate"]
    changes = shown.filter("changed")
    below = changes.select(_lower(rates)).to_series()
    row_of_change = shown.select(pl.col("changed").cum_sum().cast(pl.Int64) - 1).to_series()
    return bars.with_columns(below.gather(row_of_change).alias("settlements_below"))


def _settlements(bars: pl.DataFrame, timeframe: Timeframe) -> pl.DataFrame:
    """For each bar its `rate`, the `place` of its settlement among all, how many came `earlier` in its segment."""
    closes = (pl.col("time") + timeframe.duration).dt.epoch("us")
    bars = bars.select("segment", rate="funding_rate", settlement=closes // EVERY)
    first = pl.col("segment").ne_missing(pl.col("segment").shift(1))
    opens = first | (pl.col("settlement") != pl.col("settlement").shift(1))
    changed = pl.col("opens") | pl.col("rate").ne_missing(pl.col("rate").shift(1))
    shown = bars.with_columns(opens=opens, first=first).with_columns(
        place=pl.col("opens").cum_sum().cast(pl.Int64) - 1, changed=changed
    )
    return shown.with_columns(earlier=pl.col("place") - pl.when("first").then("place").forward_fill())


def _lower(rates: pl.Series) -> pl.Expr:
    """How many of the `rates` at the 90 places before are lower; NULL where one of them is unknown."""
    past = (pl.lit(rates).gather((pl.col("place") - back).clip(0)) for back in range(1, LOOKBACK + 1))
    lower = pl.sum_horizontal([rate < pl.col("rate") for rate in past], ignore_nulls=False)
    return pl.when(pl.col("earlier") >= LOOKBACK).then(lower)
