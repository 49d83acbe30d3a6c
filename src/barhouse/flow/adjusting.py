"""Whether a source's own adjusted closes fit its own dividends; bars are stored as traded either way."""

from __future__ import annotations

import polars as pl

from barhouse.checks import Severity
from barhouse.checks.adjustment import denied
from barhouse.model import Timeframe
from barhouse.sources.adjusted import told
from barhouse.sources.base import Fetched
from barhouse.store import anomalies
from barhouse.store.anomalies import FOUND, Checked
from barhouse.store.postgres import Database

KIND = "adjustment"


def note(db: Database, fetched: Fetched) -> int:
    """Keep as anomalies on which days an answer's adjusted closes deny its own dividends; how many these are.

    What an earlier answer denied in the same span, and this one does not, is resolved.
    """
    days = told(fetched)
    if days.is_empty():
        return 0
    off = denied(days)
    rows = _causes(off, fetched) if off.height else pl.DataFrame(schema=FOUND)
    checked = Checked([fetched.series.instrument.number], [fetched.series.timeframe], [KIND], fetched.span)
    with db.transaction() as connection:
        anomalies.reconcile(connection, rows, checked=checked)
    return rows.height


def _causes(days: pl.DataFrame, fetched: Fetched) -> pl.DataFrame:
    timeframe: Timeframe = fetched.series.timeframe
    paid = (
        pl.when(pl.col("dividend").is_null())
        .then(pl.lit("no dividend"))
        .otherwise(pl.format("a dividend of {}", "dividend"))
    )
    stepped, wanted = (pl.col(name).round(5) for name in ("told", "expected"))
    return days.select(
        instrument=pl.lit(fetched.series.instrument.number),
        timeframe=pl.lit(timeframe.code),
        anomaly_type=pl.lit(KIND),
        severity=pl.lit(Severity.MEDIUM),
        description=pl.format("adjusted closes step by {} where {} asks for {}", stepped, paid, wanted),
        evidence=pl.struct(
            pl.lit(fetched.source).alias("source"),
            pl.col("expected").alias("expected_factor"),
            pl.col("told").alias("told_factor"),
            "dividend",
            "ratio",
            "prev_close",
        ).struct.json_encode(),
        data_point_time="time",
    ).cast(pl.Schema(FOUND))
