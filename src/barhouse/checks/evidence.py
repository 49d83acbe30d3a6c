"""What a person needs to see why a bar was judged so, as a row and as JSON."""

from __future__ import annotations

import polars as pl

from barhouse.checks.ground import timeframe_of
from barhouse.checks.registry import Severity
from barhouse.checks.verdicts import Verdict
from barhouse.model import PRICES

CRITICAL, HIGH = 50.0, 20.0
"""Per cent that the price moved, from beyond which on an outlier is worse than medium."""


def listed(ground: pl.DataFrame, found: pl.DataFrame, told: pl.DataFrame) -> pl.DataFrame:
    """The rows that were judged (`outliers.OUTLIERS`)."""
    judged = told.hstack(ground[told["row"]].drop("row")).lazy()
    rows = judged.join(found.lazy().select(AROUND), on="row", how="left", maintain_order="left")
    field = pl.col("field").fill_null("close")
    value = pl.coalesce(pl.when(field == name).then(pl.col(name)) for name in PRICES)
    rows = rows.with_columns(field=field, value=value, prev_close=pl.col("p") / pl.col("shares"))
    rows = rows.with_columns(pct_change=100 * (pl.col("value") / pl.col("prev_close") - 1))
    listed = rows.select(
        timeframe_of().alias("timeframe"),
        "instrument",
        "time",
        "field",
        "value",
        "close",
        "prev_close",
        "pct_change",
        "verdict",
        severity=_severity(),
        evidence=_evidence().struct.json_encode(),
    )
    return listed.collect()


AROUND = (
    "row",
    "field",
    "before",
    "after",
    "next_close",
    "times",
    "reach",
    "sigma",
    "seen_high",
    "seen_low",
    "seen_close",
    "around_high",
    "around_low",
)
"""What is told of the bars beside a candidate, and of those that saw it too."""


def _severity() -> pl.Expr:
    moved = pl.col("pct_change").abs()
    return (
        pl.when(pl.col("verdict") == Verdict.REAL_MOVE)
        .then(pl.lit(Severity.LOW))
        .when(moved > CRITICAL)
        .then(pl.lit(Severity.CRITICAL))
        .when(moved > HIGH)
        .then(pl.lit(Severity.HIGH))
        .otherwise(pl.lit(Severity.MEDIUM))
    )


def _evidence() -> pl.Expr:
    """The figures a verdict rests on; prices are those of the bar's own shares."""
    own = pl.col("shares")
    return pl.struct(
        "verdict",
        *PRICES,
        "volume",
        prev_close="prev_close",
        next_close="next_close",
        level_before=pl.col("before") / own,
        level_after=pl.col("after") / own,
        robust_z=0.6745 * (pl.col("c") / pl.col("p") - 1 - pl.col("median")) / pl.col("deviation"),
        off_by_sigmas=pl.col("reach") / pl.col("sigma"),
        times_usual_volume="times",
        ratio="ratio",
        bars_affected="bars",
        finer_high="seen_high",
        finer_low="seen_low",
        finer_close="seen_close",
        coarser_high="around_high",
        coarser_low="around_low",
    )
