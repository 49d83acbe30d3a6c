"""What the other timeframes of a series say about a move: they show it, or they deny it."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from barhouse.calendar import Calendar
from barhouse.checks.place import placed
from barhouse.model import Timeframe

SEEN = {"seen_high": pl.Float64(), "seen_low": pl.Float64(), "seen_close": pl.Float64(), "seen_bars": pl.UInt32()}
"""The extremes and the last close of the finer bars in a bar, and how many there are."""

AROUND = {"around_high": pl.Float64(), "around_low": pl.Float64()}
"""The extremes of the coarser bar around a bar."""


def with_witnesses(
    candidates: pl.DataFrame,
    finer: Mapping[Timeframe, pl.DataFrame],
    coarser: Mapping[Timeframe, pl.DataFrame],
    calendar: Calendar,
) -> pl.DataFrame:
    """The candidates with `SEEN` by the longest finer bars in them, and `AROUND` by the shortest coarser ones."""
    keys = candidates.select("instrument", "opens", "closes", number=pl.int_range(pl.len()))
    seen = [_inside(keys, finer[each]) for each in sorted(finer, key=lambda each: -each.minutes)]
    around = [_around(keys, coarser[each], each, calendar) for each in sorted(coarser, key=lambda each: each.minutes)]
    return candidates.hstack(_first(keys, seen, SEEN)).hstack(_first(keys, around, AROUND))


def _first(keys: pl.DataFrame, told: list[pl.DataFrame], schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """For each key what the first frame tells that knows it."""
    if not told:
        return pl.DataFrame(
            {name: pl.repeat(None, keys.height, dtype=kind, eager=True) for name, kind in schema.items()}
        )
    known = pl.concat(told).unique("number", keep="first", maintain_order=True)
    return keys.select("number").join(known, on="number", how="left", maintain_order="left").select(*schema)


def _inside(keys: pl.DataFrame, bars: pl.DataFrame) -> pl.DataFrame:
    """What the finer bars of each key show."""
    regular = bars.filter(~pl.col("extended"), bars["instrument"].is_in(keys["instrument"].unique().implode()))
    held = regular.sort("time").join_asof(
        keys.sort("opens"), left_on="time", right_on="opens", by="instrument", check_sortedness=False
    )
    return (
        held.filter(pl.col("time") < pl.col("closes"))
        .sort("time")
        .group_by("number")
        .agg(
            pl.max("high").alias("seen_high"),
            pl.min("low").alias("seen_low"),
            pl.last("close").alias("seen_close"),
            pl.len().alias("seen_bars"),
        )
    )


def _around(keys: pl.DataFrame, bars: pl.DataFrame, timeframe: Timeframe, calendar: Calendar) -> pl.DataFrame:
    """What the coarser bar around each key shows."""
    regular = bars.filter(~pl.col("extended"), bars["instrument"].is_in(keys["instrument"].unique().implode()))
    wide = placed(regular, calendar, timeframe).select(
        "instrument", around_high="high", around_low="low", begins="opens", ends="closes"
    )
    held = keys.sort("opens").join_asof(
        wide.sort("begins"), left_on="opens", right_on="begins", by="instrument", check_sortedness=False
    )
    return held.filter(pl.col("closes") <= pl.col("ends")).select("number", *AROUND)


def shown() -> pl.Expr:
    """Whether the finer bars moved at least half as far: then it was no slip of one number."""
    return (pl.col("moved_within") >= 0.5 * pl.col("reach")).fill_null(value=False)


def denied() -> pl.Expr:
    """Whether the finer bars, or the coarser bar around, know of no such price."""
    silent = (pl.col("seen_bars") > 1) & (pl.col("moved_within") < 0.5 * pl.col("reach"))
    return silent.fill_null(value=False) | (pl.col("moved_around") < 0.5 * pl.col("reach")).fill_null(value=False)


def moved_on(who: str) -> pl.Expr:
    """How far the bars `seen` within or `around` are outside the levels on the same side; a logarithm."""
    level = (
        pl.min_horizontal("before", "after") / pl.col("shares"),
        pl.max_horizontal("before", "after") / pl.col("shares"),
    )
    up, down = (pl.col(f"{who}_high") / level[1]).log(), (level[0] / pl.col(f"{who}_low")).log()
    close = pl.col("out_c").sign()
    side = pl.when(pl.col("field") == "low").then(-1).when(pl.col("field") == "high").then(1)
    rises = pl.coalesce(side, pl.when(pl.col("field") == "open").then(pl.col("out_o").sign()).otherwise(close)) > 0
    return pl.when(rises).then(up).otherwise(down)
