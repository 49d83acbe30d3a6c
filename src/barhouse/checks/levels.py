"""Bars that stand on another level than those around them: blocks in another unit or share, splits that were missed."""

from __future__ import annotations

import math
from datetime import timedelta

import polars as pl

from barhouse.checks.verdicts import LOUD, SPLITS, UNITS, Verdict, near_ratio

STEP = math.log(1.25)
"""The logarithm of the smallest step that is looked at here."""

SPLIT_STEP = math.log(1.45)
"""The same for a split that was missed: prices fall by a fifth or a quarter without one too often."""

HALVED, VERY_LARGE = math.log(1.9), math.log(2.9)
"""Steps that some volume of their own is granted; the second one is beyond what special dividends pay out."""

SHORT, LONG = 3, 60
"""Bars of a block by any ratio, and by one that a unit or a split explains."""

MANY = 250
"""A longer stretch in another unit is told by its first bar."""

WEEK = timedelta(days=10)
"""Across a longer gap a step says nothing; a week and its holidays are none."""

LEVELS = pl.Schema({"row": pl.Int64(), "verdict": pl.String(), "ratio": pl.Float64(), "bars": pl.Int64()})
"""Rows of the ground with their verdict, the ratio they are off by, and how many of them belong together."""

BLOCKS = pl.Schema({**LEVELS, "end": pl.Int64()})
"""The same for the first row of a stretch, with the row behind it."""


def levels(ground: pl.DataFrame, candidates: pl.DataFrame, splits: pl.DataFrame, *, shares: bool) -> pl.DataFrame:
    """The rows on a wrong level (`LEVELS`); each row once. What has no `shares` is never split."""
    steps = _steps(candidates)
    if steps.is_empty():
        return pl.DataFrame(schema=LEVELS)
    far = steps.filter("is_unit")
    rest = steps.filter(~pl.col("is_unit")) if far.height else steps
    blocks = _blocks(ground, rest, splits)
    lasting = rest.filter(~_in(rest["row"], blocks["row"], blocks["end"])) if blocks.height else rest
    found = [_other_units(ground, far), _spread(blocks), *([_doubled(candidates), _missed(lasting)] if shares else [])]
    told = [each.select(LEVELS.names()).cast(LEVELS) for each in found if each.height]
    return pl.concat([pl.DataFrame(schema=LEVELS), *told]).unique("row", keep="first", maintain_order=True)


def _in(rows: pl.Series, *those: pl.Series) -> pl.Series:
    return rows.is_in(pl.concat(those).implode())


def _steps(candidates: pl.DataFrame) -> pl.DataFrame:
    """The candidates whose open and close are about equally far off the close before, with that `step` (logarithm)."""
    opened, closed = pl.col("gap"), pl.col("move")
    least = pl.max_horizontal(pl.min_horizontal(opened, closed), -pl.max_horizontal(opened, closed))
    steps = candidates.filter((least >= STEP) & ((closed - opened).abs() <= 0.35 * opened.abs()))
    return steps.with_columns(step=opened, is_unit=_is_unit(opened))


def _is_unit(step: pl.Expr) -> pl.Expr:
    """A step by 100 or 1000: no market moves so far between two bars."""
    return pl.any_horizontal((step.abs() - math.log(unit)).abs() <= 0.3 for unit in UNITS if unit >= 100)


def _other_units(ground: pl.DataFrame, steps: pl.DataFrame) -> pl.DataFrame:
    """The rows in another unit than that of most bars in which somebody traded; `steps` lead from one to another."""
    if steps.is_empty():
        return pl.DataFrame(schema=LEVELS)
    far = steps.select("row", power=(pl.col("step") / math.log(10)).round().cast(pl.Int64))
    rows = ground.filter(_in(ground["series"], steps["series"])).select("series", "row", "v")
    known = rows.join(far, on="row", how="left", maintain_order="left").with_columns(
        power=pl.col("power").fill_null(0).cum_sum().over("series")
    )
    size = known.group_by("series", "power").agg(traded=(pl.col("v") > 0).sum(), bars=pl.len())
    usual = size.sort("traded", "bars", descending=True).group_by("series").agg(usual=pl.first("power"))
    parts = known.join(usual, on="series", maintain_order="left").with_columns(
        part=pl.struct("series", "power").rle_id(), off=pl.col("power") - pl.col("usual")
    )
    wrong = parts.filter(pl.col("off") != 0).with_columns(
        bars=pl.len().over("part").cast(pl.Int64), place=pl.int_range(pl.len()).over("part")
    )
    told = wrong.filter((pl.col("bars") <= MANY) | (pl.col("place") == 0))
    return told.select("row", "bars", verdict=pl.lit(Verdict.UNIT_ERROR), ratio=10.0 ** pl.col("off"))


def _blocks(ground: pl.DataFrame, steps: pl.DataFrame, splits: pl.DataFrame) -> pl.DataFrame:
    """The short stretches between a step and its inverse: [row, end, ratio, verdict, …]."""
    if steps.height < 2:
        return pl.DataFrame(schema=BLOCKS)
    own = ground["series"]
    paired = steps.with_columns(
        end=_beside("row", -1),
        back=_beside("step", -1),
        level=_beside("o", -1),
        left=pl.col("row") - _beside("row", 1).fill_null(own.search_sorted(steps["series"], side="left")),
        right=_beside("row", -2).fill_null(own.search_sorted(steps["series"], side="right")),
    )
    length = pl.col("end") - pl.col("row")
    size = pl.col("step").abs()
    inverse = ((pl.col("step") + pl.col("back")).abs() <= 0.3 * size) & (
        (pl.col("level") / pl.col("p")).log().abs() <= 0.25 * size
    )
    inner = (length <= pl.col("left")) & (length <= pl.col("right") - pl.col("end"))
    there_and_back = paired.filter(inverse & inner & (length <= LONG))
    if there_and_back.is_empty():
        return pl.DataFrame(schema=BLOCKS)
    any_ratio = (length <= SHORT) & ~pl.col("at_work")
    return (
        there_and_back.with_columns(_ratio_of(there_and_back, splits))
        .filter(any_ratio | pl.col("verdict").is_not_null())
        .with_columns(
            bars=length, ratio=pl.col("step").exp(), verdict=pl.col("verdict").fill_null(pl.lit(Verdict.BAD_TICK))
        )
    )


def _beside(name: str, away: int) -> pl.Expr:
    """What the step so many rows before (or, negative, after) says; null where that is one of another series."""
    return pl.when(pl.col("series") == pl.col("series").shift(away)).then(pl.col(name).shift(away))


def _ratio_of(paired: pl.DataFrame, splits: pl.DataFrame) -> pl.Series:
    """The verdict that the ratio of a block speaks for: a unit, or a split of that instrument applied once more."""
    middle = (pl.col("step") - pl.col("back")) / 2
    slack = pl.max_horizontal(0.03, 2 * pl.col("sigma")).clip(None, 0.08)
    own = paired.select("instrument", "row", middle=middle, slack=slack).join(splits, on="instrument")
    split = own.filter((pl.col("middle").abs() - pl.col("ratio").log().abs()).abs() <= pl.col("slack"))["row"]
    return paired.select(
        verdict=pl.when(near_ratio(middle, UNITS, slack).is_not_null())
        .then(pl.lit(Verdict.UNIT_ERROR))
        .when(pl.col("row").is_in(split.implode()))
        .then(pl.lit(Verdict.DOUBLED_SPLIT))
    ).to_series()


def _spread(blocks: pl.DataFrame) -> pl.DataFrame:
    """Each row of the blocks."""
    if blocks.is_empty():
        return pl.DataFrame(schema=LEVELS)
    rows = blocks.select("verdict", "ratio", "bars", row=pl.int_ranges("row", "end"))
    return rows.explode("row", empty_as_null=False)


def _missed(steps: pl.DataFrame) -> pl.DataFrame:
    """The steps that stay, by a ratio of which splits are made, without the volume of a crash or a takeover.

    After a split as many times more shares are traded; in a crash the day itself stands out.
    """
    # Where a split is stored something else moved the price
    large = steps.filter(pl.col("step").abs() >= SPLIT_STEP, pl.col("shares") == pl.col("shares_before"))
    if large.is_empty():
        return pl.DataFrame(schema=LEVELS)
    # Where no dividend reaches, a night's move beside the ratio hides it less
    wide = pl.max_horizontal(0.05, 5 * pl.col("sigma")).clip(None, 0.08)
    slack = pl.max_horizontal(0.03, 3 * pl.col("sigma")).clip(None, 0.065)
    slack = pl.when(pl.col("step").abs() >= VERY_LARGE).then(wide).otherwise(slack)
    ratio = near_ratio(-pl.col("step"), SPLITS, slack)
    most = 0.3 * pl.col("step").abs()
    # After a bar that alone was wrong a step only leads back
    stays = ((pl.col("after") / pl.col("p")).log() - pl.col("step")).abs() <= most
    stood = (pl.col("p") / pl.col("before")).log().abs() <= most
    told = (pl.col("session") - pl.col("session_before")) <= WEEK
    found = large.with_columns(ratio=ratio).filter(pl.col("ratio").is_not_null() & stays & stood & told & _no_crash())
    return found.select("row", "ratio", verdict=pl.lit(Verdict.MISSED_SPLIT), bars=pl.lit(1))


def _no_crash() -> pl.Expr:
    """Whether the volume of the day is usual, counted in the new shares: beside the days after and those before.

    Where one of both is usual and the other not far off, their middle counts; or, where the step is large, the first
    one alone, and where it is very large, some more is no crash yet.
    """
    after = pl.when(pl.col("usual_after") > 0).then("usual_after")
    before = pl.when(pl.col("usual_before") > 0).then(pl.col("usual_before") * pl.col("ratio"))
    most = pl.max_horizontal(pl.col("v") / after, pl.col("v") / before)
    least = pl.min_horizontal(pl.col("v") / after, pl.col("v") / before)
    limit = pl.when(pl.col("step").abs() >= VERY_LARGE).then(2 * LOUD).otherwise(LOUD)
    large = pl.col("step").abs() >= HALVED
    middle = ((most * least).sqrt() <= LOUD) & (most <= 2 * LOUD)
    calm = (most <= LOUD) | middle | (large & (least <= limit) & (pl.col("v") / before <= 2 * limit))
    return calm.fill_null(value=True)


def _doubled(candidates: pl.DataFrame) -> pl.DataFrame:
    """The bars at a stored split at which the raw price did not move: they were adjusted once already.

    Only for ratios that companies choose to make shares cheaper or dearer; one that offsets a special dividend
    leaves the price where it was.
    """
    at_splits = candidates.filter(pl.col("shares") != pl.col("shares_before"))
    if at_splits.is_empty():
        return pl.DataFrame(schema=LEVELS)
    split = (pl.col("shares") / pl.col("shares_before")).log()
    moved = pl.col("gap") - split
    slack = pl.max_horizontal(0.03, 2 * pl.col("sigma")).clip(None, 0.1)
    simple = near_ratio(split, SPLITS, pl.lit(0.001)).is_not_null()
    found = at_splits.filter((split.abs() >= STEP) & (moved.abs() <= slack) & simple)
    return found.select(
        "row", ratio=pl.col("shares") / pl.col("shares_before"), verdict=pl.lit(Verdict.DOUBLED_SPLIT), bars=pl.lit(1)
    )


def explained() -> pl.Expr:
    """Whether a stored split explains the step of the raw prices, given either way round, within two per cent."""
    split = (pl.col("shares") / pl.col("shares_before")).log()
    raw = pl.col("gap") - split
    return (split != 0) & ((raw.abs() - split.abs()).abs() <= math.log(1.02))
