"""The few bars that have to be looked at: a cheap rule over all of them, the surroundings of those that it finds."""

from __future__ import annotations

import polars as pl

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


def candidates(ground: pl.DataFrame, *, stride: int) -> pl.DataFrame:
    """The bars of `ground` that may be faulty, or may be told as real moves (`moved`), with what is around them.

    `before` and `after` are the levels on both sides, `calm` is the middle range of the bars there (a logarithm),
    `usual` the volume of bars at the same place of the sessions around, `stride` bars apart.
    """
    marked = ground.lazy().with_columns(moved=moved().fill_null(value=False))
    found = marked.filter(pl.col("moved") | spikes().fill_null(value=False)).collect()
    beside = [*range(-NEAR, 0), *range(1, NEAR + 1)]
    ranges = near(ground, found, "h", beside) / near(ground, found, "l", beside)
    around = found.select(
        _level(ground, found, range(-NEAR, 0)).alias("before"),
        _level(ground, found, range(1, NEAR + 1)).alias("after"),
        near(ground, found, "v", [stride * k for k in range(-USUAL, USUAL + 1) if k]).list.median().alias("usual"),
        ranges.list.median().log().alias("calm"),
        near(ground, found, "v", list(range(-USUAL, 0))).list.median().alias("usual_before"),
        near(ground, found, "v", list(range(1, USUAL + 1))).list.median().alias("usual_after"),
        near(ground, found, "shares", [-1]).list.first().alias("shares_before"),
        near(ground, found, "session", [-1]).list.first().alias("session_before"),
        near(ground, found, "close", [1]).list.first().alias("next_close"),
    )
    return found.hstack(around)


def near(ground: pl.DataFrame, found: pl.DataFrame, column: str, steps: list[int]) -> pl.Series:
    """Lists of a column's values so many rows away from each found one, as far as they are of the same series."""
    rows = found.select(
        "instrument", number=pl.int_range(pl.len()), at=pl.concat_list(pl.col("row") + step for step in steps)
    ).explode("at", empty_as_null=False)
    inside = rows["at"].is_between(0, ground.height - 1)
    at = rows["at"].clip(0, ground.height - 1)
    own = inside & (ground["instrument"].gather(at) == rows["instrument"])
    values = ground[column].gather(at).to_frame("value").select(pl.when(own).then("value")).to_series()
    lists = pl.DataFrame({"number": rows["number"], "value": values}).group_by("number", maintain_order=True)
    return lists.agg(pl.col("value").drop_nulls())["value"]


def _level(ground: pl.DataFrame, found: pl.DataFrame, steps: range) -> pl.Series:
    return near(ground, found, "c", list(steps)).list.median()
