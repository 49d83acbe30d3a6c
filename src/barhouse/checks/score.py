"""How good a bar is: one figure from 0 to 1, and whether that is good enough."""

from __future__ import annotations

import polars as pl

from barhouse.checks.candle import FIVE, unsound
from barhouse.model import JUDGED

GOOD_ENOUGH = 0.85
"""The score from which a bar counts as validated."""

VALIDATION = 0.3
"""The weight of the checks in the score."""


def score(bars: pl.DataFrame, *, expects: frozenset[str]) -> pl.DataFrame:
    """Sound bars with `quality_score` and `validated`, as `instrument`, `model.JUDGED` and `origin`.

    `expects` are the columns that their source normally sends beyond the five. The frame also has `flags`,
    `passed` and `applicable` from the flags, and `feature_finite`, `feature_applicable`: null where none applies.
    """
    quality = weighed(
        completeness=completeness(expects),
        validation=pl.col("passed") / pl.col("applicable"),
        features=_share_of_features(),
        freshness=(~pl.col("forming")).cast(pl.Float64),
    )
    return bars.with_columns(quality_score=quality).select(
        "instrument",
        *(pl.col(name) if name != "validated" else _validated() for name in JUDGED),
        "origin",
    )


def regraded(bars: pl.DataFrame) -> pl.DataFrame:
    """Judged bars whose flags are others now, as [instrument, time, flags, quality_score, validated].

    The frame has `before`, the flags until now, and `flags`, `passed` and `applicable` as `flag` gives them: only the
    part of the score that the flags make changes, whatever the rest was made of.
    """
    raised = pl.when(pl.col("before").is_null()).then(0).otherwise(pl.col("before").str.count_matches(",") + 1)
    passed = pl.col("applicable").cast(pl.Int32) - raised.cast(pl.Int32)
    gained = (pl.col("passed").cast(pl.Int32) - passed) / pl.col("applicable")
    changed = bars.filter(pl.col("flags").ne_missing(pl.col("before")))
    scored = changed.with_columns(quality_score=(pl.col("quality_score") + VALIDATION * gained).round(6))
    return scored.select("instrument", "time", "flags", "quality_score", _validated())


def weighed(*, completeness: pl.Expr, validation: pl.Expr, features: pl.Expr, freshness: pl.Expr) -> pl.Expr:
    """The quality score of a bar, to six decimals."""
    return (0.4 * completeness + VALIDATION * validation + 0.2 * features + 0.1 * freshness).round(6)


def completeness(expects: frozenset[str]) -> pl.Expr:
    """The share of the fields of a bar that are there, of the five and those that its source normally sends."""
    fields = sorted({*FIVE, *expects})
    present = pl.sum_horizontal(pl.col(name).is_finite().fill_null(value=False) for name in fields)
    return present / len(fields)


def _share_of_features() -> pl.Expr:
    """The share of finite features among those that apply; 1 where none does."""
    applicable = pl.col("feature_applicable")
    return pl.when(applicable > 0).then(pl.col("feature_finite") / applicable).otherwise(1.0)


def _validated() -> pl.Expr:
    """Whether the score is good enough, of a bar that a human or another tool may have stored against the checks."""
    return ((pl.col("quality_score") >= GOOD_ENOUGH) & ~unsound().fill_null(value=False)).alias("validated")
