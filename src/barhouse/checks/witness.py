"""What the other timeframes of a series say about a move: they show it, or they deny it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import polars as pl

from barhouse.calendar import Calendar
from barhouse.checks.ground import of_timeframe
from barhouse.checks.place import placed
from barhouse.model import Timeframe

SEEN = {"seen_high": pl.Float64(), "seen_low": pl.Float64(), "seen_close": pl.Float64(), "seen_bars": pl.UInt32()}
"""The extremes and the last close of the finer bars in a bar, and how many there are."""

AROUND = {"around_high": pl.Float64(), "around_low": pl.Float64()}
"""The extremes of the coarser bar around a bar."""


def with_witnesses(
    candidates: pl.DataFrame, bars: Mapping[Timeframe, pl.DataFrame], calendar: Calendar
) -> pl.DataFrame:
    """The candidates with `SEEN` by the longest finer bars in them, and `AROUND` by the shortest coarser ones.

    The bars are sorted by instrument and time.
    """
    keys = candidates.select("row", "series", "instrument", "opens", "closes")
    asked = {each: own for each in bars if (own := of_timeframe(keys, each)).height}
    shortest = sorted(bars, key=lambda each: each.minutes)
    seen = [
        _inside(asked[own], bars[each]) for own in asked for each in reversed(shortest) if each.minutes < own.minutes
    ]
    around = [
        _around(asked[own], bars[each], each, calendar)
        for own in asked
        for each in shortest
        if each.minutes > own.minutes
    ]
    return _with_first(_with_first(candidates, seen, SEEN), around, AROUND)


def _with_first(candidates: pl.DataFrame, told: list[pl.DataFrame], schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """The candidates with what the first frame tells that knows each one."""
    if not told:
        return candidates.with_columns(pl.lit(None, kind).alias(name) for name, kind in schema.items())
    known = pl.concat(told).unique("row", keep="first", maintain_order=True) if len(told) > 1 else told[0]
    return candidates.join(known, on="row", how="left", maintain_order="left")


def _inside(keys: pl.DataFrame, bars: pl.DataFrame) -> pl.DataFrame:
    """What the finer bars of each key show: [row, *SEEN]."""
    order = bars.select(_order("time")).to_series()
    bounds = keys.select("row", first=_place(order, _order("opens")), end=_place(order, _order("closes")))
    held = bounds.select("row", at=pl.int_ranges("first", "end")).explode("at", keep_nulls=False, empty_as_null=False)
    shown = bars.select("high", "low", "close", "extended")[held["at"]].hstack([held["row"]])
    return (
        shown.filter(~pl.col("extended"))
        .group_by("row", maintain_order=True)
        .agg(
            pl.max("high").alias("seen_high"),
            pl.min("low").alias("seen_low"),
            pl.last("close").alias("seen_close"),
            pl.len().alias("seen_bars"),
        )
    )


def _around(keys: pl.DataFrame, bars: pl.DataFrame, timeframe: Timeframe, calendar: Calendar) -> pl.DataFrame:
    """What the coarser bar around each key shows: [row, *AROUND]."""
    wide = placed(bars.filter(~pl.col("extended")), calendar, timeframe)
    last = _place(wide.select(_order("opens")).to_series(), _order("opens"), side="right").cast(pl.Int64) - 1
    known = keys.with_columns(at=last).filter(pl.col("at") >= 0)
    held = wide.select(of="instrument", around_high="high", around_low="low", ends="closes")[known["at"]]
    both = known.hstack(held)
    holds = (pl.col("of") == pl.col("instrument")) & (pl.col("closes") <= pl.col("ends"))
    return both.filter(holds).select("row", *AROUND)


def _order(moment: str) -> pl.Expr:
    """One number that sorts as the instrument and a moment do."""
    return pl.col("instrument").cast(pl.Int64) * 2**34 + pl.col(moment).dt.epoch("s")


def _place(order: pl.Series, number: pl.Expr, side: Literal["left", "right"] = "left") -> pl.Expr:
    return pl.lit(order).search_sorted(number, side=side)


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
