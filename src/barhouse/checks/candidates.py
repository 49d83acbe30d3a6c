"""The few bars that have to be looked at: a cheap rule over all of them, the surroundings of those that it finds."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
from polars.lazyframe.group_by import LazyGroupBy

from barhouse.checks.limits import beyond

FAR = 0.2
"""A move from the previous close that is always looked at; exactly so much is not."""

UNUSUAL = 8.0
"""A robust score of a return from which on it is looked at."""

SPIKE = 0.04
"""A smaller move is looked at too if the next open has taken it back, and it is beyond the usual:"""

SPIKE_SCORE = 3.0

NEAR = 3
"""Bars on each side whose middle close tells the level there."""

USUAL = 10
"""Bars on each side whose middle volume is the usual one."""


def moved() -> pl.Expr:
    """Whether open, high, low or close moves so far from the previous close, in per cent or beside the usual returns.

    The score is 0.6745 (r - median) / deviation, Iglewicz and Hoaglin 1993. The high and the low move furthest.
    """
    up, down = pl.col("h") / pl.col("p") - 1, 1 - pl.col("l") / pl.col("p")
    most = pl.max_horizontal(up - pl.col("median"), down + pl.col("median"))
    return beyond(pl.max_horizontal(up, down), FAR) | (most * 0.6745 > UNUSUAL * pl.col("deviation"))


def spikes() -> pl.Expr:
    """Whether the high or the low is far off the close before and the open after."""
    up = pl.col("h") / pl.max_horizontal("p", "no") - 1
    down = 1 - pl.col("l") / pl.min_horizontal("p", "no")
    most = pl.max_horizontal(up, down)
    return (most > SPIKE) & (most * 0.6745 > SPIKE_SCORE * pl.col("deviation")) & pl.col("no").is_not_null()


def candidates(ground: pl.DataFrame) -> pl.DataFrame:
    """The bars of `ground` that may be faulty, or may be told as real moves (`moved`), with what is around them.

    `before` and `after` are the levels on both sides, `calm` is the middle range of the bars there (a logarithm),
    `usual` the volume of bars at the same place of the sessions around.
    """
    marked = ground.lazy().with_columns(moved=moved().fill_null(value=False))
    found = marked.filter(pl.col("moved") | spikes().fill_null(value=False)).collect()
    both_sides = [step for step in range(-USUAL, USUAL + 1) if step]
    beside = neighbours(ground, found, both_sides, both_sides)
    step = pl.col("step")
    close_by = step.is_between(-NEAR, NEAR)
    around = beside.agg(
        before=pl.col("c").filter(step.is_between(-NEAR, -1)).median(),
        after=pl.col("c").filter(step.is_between(1, NEAR)).median(),
        usual=pl.col("v").filter(pl.col("sessions").is_not_null()).median(),
        calm=(pl.col("h") / pl.col("l")).filter(close_by).median().log(),
        usual_before=pl.col("v").filter(step.is_between(-USUAL, -1)).median(),
        usual_after=pl.col("v").filter(step.is_between(1, USUAL)).median(),
        shares_before=pl.col("shares").filter(step == -1).first(),
        session_before=pl.col("session").filter(step == -1).first(),
        next_close=pl.col("close").filter(step == 1).first(),
    )
    return found.hstack(around.collect().drop("number"))


BESIDE = ("c", "h", "l", "v", "close", "shares", "session", "opens", "closes")
"""What is known of the bars around one."""


def neighbours(
    ground: pl.DataFrame, found: pl.DataFrame, steps: Sequence[int], sessions: Sequence[int] = ()
) -> LazyGroupBy:
    """The rows of `ground` so many bars (`step`) or so many `sessions` away from each found one, by its `number`.

    Each has `BESIDE`, null where there is none in the same series, and one of the two distances.
    """
    numbered = found.lazy().select("row", "stride", own="series", number=pl.int_range(pl.len()))
    nothing = [None] * len(steps), [None] * len(sessions)
    away = {"step": [*steps, *nothing[1]], "sessions": [*nothing[0], *sessions]}
    distances = pl.LazyFrame(away, schema={"step": pl.Int64, "sessions": pl.Int64})
    every = numbered.join(distances, how="cross", maintain_order="left_right")
    aim = pl.col("row") + pl.coalesce("step", pl.col("sessions") * pl.col("stride"))
    values = {name: pl.lit(ground[name]).gather("at") for name in BESIDE}
    same = pl.lit(ground["series"]).gather("at") == pl.col("own")
    beside = every.with_columns(at=aim.clip(0, ground.height - 1)).select(
        "number",
        "step",
        "sessions",
        *(pl.when(same & (aim == pl.col("at"))).then(each).alias(name) for name, each in values.items()),
    )
    return beside.group_by("number", maintain_order=True)
