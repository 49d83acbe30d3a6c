"""When nobody trades: the breaks of an exchange, and the habits of instruments that few people trade."""

from __future__ import annotations

import polars as pl

from barhouse.model import Timeframe

LONGEST = 30
"""Minutes of the longest bars in whose time it is common that nobody trades."""

AROUND = 30
"""Bars on each side of a run of absent ones that show whether the time was quiet."""

QUIET_SHARE = 0.1
"""Bars of a single price among those around, from which on an absent one is common.

Where trades fall independently, a share f of bars with one trade goes with a share e of empty ones: 0.1 with 0.03,
0.5 with 0.3, 0.8 with 0.65. A run of empty ones longer than 6 / (1 - f) then comes less than once in 100,000 bars.
"""

RUN_LENGTH = 6

ENOUGH_SESSIONS = 10
"""Sessions after which a slot that never held a bar is one of the exchange's break."""


def habitual(runs: pl.DataFrame, stored: pl.DataFrame, fetched: pl.DataFrame, timeframe: Timeframe) -> pl.DataFrame:
    """The `runs` that were read (`fetched`: ranges of slots) and are no longer than usual in so quiet a time."""
    if timeframe.minutes > LONGEST or "high" not in stored.columns or fetched.is_empty():
        return runs.select("instrument", "start", "end").clear()
    length = pl.col("end") - pl.col("start")
    share = _quiet_share(runs, stored)
    common = runs.filter((share >= QUIET_SHARE) & (length * (1 - share) <= RUN_LENGTH))
    read = common.sort("start").join_asof(
        fetched.sort("start").rename({"end": "until"}), on="start", by="instrument", check_sortedness=False
    )
    return read.filter(pl.col("end") <= pl.col("until")).select("instrument", "start", "end")


def _quiet_share(runs: pl.DataFrame, stored: pl.DataFrame) -> pl.Series:
    """How many of the bars around each run have a single price."""
    single = stored.select((pl.col("high") == pl.col("low")).fill_null(value=False).cum_sum().cast(pl.Float64))
    running = pl.concat([pl.Series([0.0]), single.to_series()])
    rows = stored.select("instrument", row=pl.int_range(pl.len()))
    bounds = rows.group_by("instrument").agg(low=pl.min("row"), high=pl.max("row") + 1)
    near = runs.join(bounds, on="instrument", how="left", maintain_order="left").select(
        left=pl.max_horizontal(pl.col("row") - AROUND, "low"), right=pl.min_horizontal(pl.col("row") + AROUND, "high")
    )
    return (running.gather(near["right"]) - running.gather(near["left"])) / (near["right"] - near["left"])


def breaks(stored: pl.DataFrame, slots: pl.DataFrame, timeframe: Timeframe) -> pl.DataFrame:
    """The slots in the midst of sessions that no session of a series ever filled: [instrument, start, end].

    A calendar counts an exchange's lunch break as part of its session.
    """
    nothing = stored.select("instrument", start="slot", end="slot").clear()
    if timeframe.minutes > LONGEST or slots.is_empty():
        return nothing
    steps = slots.select("session", number=pl.int_range(pl.len()), step=pl.int_range(pl.len()).over("session"))
    filled = _filled(stored, steps)
    if filled.is_empty():
        return nothing
    never = filled.filter(~pl.col("usual"))
    every = never.join(steps, on="step").select("instrument", start="number", end=pl.col("number") + 1)
    return every.cast(nothing.schema)


def _filled(stored: pl.DataFrame, steps: pl.DataFrame) -> pl.DataFrame:
    """Which steps between the first and the last one of its sessions each series ever filled."""
    numbers = stored["slot"]
    seen = stored.select("instrument", step=steps["step"].gather(numbers), session=steps["session"].gather(numbers))
    enough = seen.group_by("instrument").agg(pl.col("session").n_unique()).filter(pl.col("session") >= ENOUGH_SESSIONS)
    usual = seen.join(enough, on="instrument", how="semi").select("instrument", "step").unique()
    bounds = usual.group_by("instrument").agg(low=pl.min("step"), high=pl.max("step"))
    all_steps = bounds.with_columns(step=pl.int_ranges("low", pl.col("high") + 1)).explode("step")
    known = usual.with_columns(usual=pl.lit(value=True))
    both = all_steps.join(known, on=["instrument", "step"], how="left").with_columns(
        pl.col("usual").fill_null(value=False)
    )
    return both.select("instrument", "step", "usual") if not both["usual"].all() else both.clear()
