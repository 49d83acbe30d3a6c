"""What detectors found, as rows that last: what kind of cause, how bad, since when, by which evidence."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from enum import StrEnum

import polars as pl

from barhouse.checks import Severity
from barhouse.model import Series, Timeframe
from barhouse.store.anomalies import FOUND


class Look(StrEnum):
    """What can be looked for in stored bars."""

    GAPS = "gaps"
    OUTLIERS = "outliers"
    STALENESS = "staleness"
    DUPLICATES = "duplicates"


KINDS = {
    Look.GAPS: ("gap", "no_trade"),
    Look.OUTLIERS: ("outlier", "real_move"),
    Look.STALENESS: ("stale",),
    Look.DUPLICATES: ("duplicate",),
}
"""The types of anomalies that come of looking."""

FAILED = "failed_check"
"""The type of what could not be looked at; it is resolved by the next look that can."""

QUIET = ("no_trade", "real_move")
"""Kept as knowledge, but nobody's fault: neither listed nor counted."""

EVERYTHING = frozenset(Look)

WHY = {
    "missing": "missing",
    "vendor_empty": "not to be had, the vendor has none",
    "quarantined": "in the quarantine",
    "no_trade": "absent, since nobody traded",
}


def of(look: Look, found: pl.DataFrame) -> pl.DataFrame:
    """What was found by looking for something in series (`judging.found`), as causes (`anomalies.FOUND`)."""
    return _MADE[look](found) if found.height else pl.DataFrame(schema=FOUND)


def told(instant: str) -> pl.Expr:
    """An instant of a frame as people and programs read it: RFC 3339 in UTC, ending in Z."""
    return pl.col(instant).dt.strftime("%Y-%m-%dT%H:%M:%S%.fZ").alias(instant)


def of_gaps(gaps: pl.DataFrame) -> pl.DataFrame:
    """Gaps (`checks.GAPS`) as causes; one in which nobody traded is a `no_trade`."""
    one = pl.col("missing") == 1
    bars = pl.when(one).then(pl.lit("1 bar is")).otherwise(pl.format("{} bars are", "missing"))
    why = pl.col("reason").replace_strict(WHY, default=pl.col("reason"), return_dtype=pl.String)
    until = pl.when(one).then(pl.lit("")).otherwise(pl.format(", to {}", _spoken("last")))
    return _causes(
        gaps,
        kind=pl.when(pl.col("reason") == "no_trade").then(pl.lit("no_trade")).otherwise(pl.lit("gap")),
        severity=pl.when(pl.col("reason") == "no_trade").then(pl.lit(Severity.LOW)).otherwise("severity"),
        description=pl.format("{} {}{}", bars, why, until),
        evidence=[*map(told, ("first", "last", "before", "after")), pl.col("missing").alias("missing_bars"), "reason"],
        time="first",
    )


def of_outliers(outliers: pl.DataFrame) -> pl.DataFrame:
    """Outliers (`checks.OUTLIERS`) as causes; a move that others bear out is a `real_move`."""
    figures = pl.struct("field", "value", "close", "prev_close", "pct_change").struct.json_encode()
    moved = pl.format(", {} % off the close before", pl.col("pct_change").round(1)).fill_null("")
    value = pl.col("value").round_sig_figs(6).cast(pl.String).fill_null("nothing")
    return _causes(
        outliers.with_columns(proof=pl.format("{},{}", figures.str.head(-1), pl.col("evidence").str.tail(-1))),
        kind=pl.when(pl.col("verdict") == "real_move").then(pl.lit("real_move")).otherwise(pl.lit("outlier")),
        severity=pl.col("severity"),
        description=pl.format("{}: {} {}{}", pl.col("verdict").str.replace_all("_", " "), "field", value, moved),
        evidence="proof",
        time="time",
    )


def of_stale(stale: pl.DataFrame) -> pl.DataFrame:
    """Stale series (`checks.STALE`) as causes; how late they are by now is not part of it, or each look changed it."""
    return _causes(
        stale,
        kind=pl.lit("stale"),
        severity=pl.col("severity"),
        description=pl.lit("no bar has come since"),
        evidence=[told("last_update")],
        time="last_update",
    )


def of_doubles(doubles: pl.DataFrame) -> pl.DataFrame:
    """Rows that share a slot (`checks.doubles`) as causes, one a slot."""
    slots = doubles.group_by("instrument", "timeframe", "slot", maintain_order=True).agg(told("time").alias("times"))
    return _causes(
        slots.with_columns(count=pl.col("times").list.len()),
        kind=pl.lit("duplicate"),
        severity=pl.lit(Severity.MEDIUM),
        description=pl.format("{} bars stand in one slot", "count"),
        evidence=["times"],
        time="slot",
    )


def of_failures(series: Iterable[Series], reason: str) -> pl.DataFrame:
    """Series that nobody can judge, for a `reason`, as causes (`anomalies.FOUND`)."""
    evidence = json.dumps({"error": reason})
    rows = [
        (
            each.instrument.number,
            each.timeframe.code,
            FAILED,
            Severity.HIGH,
            f"cannot be judged: {reason}",
            evidence,
            None,
        )
        for each in series
    ]
    return pl.DataFrame(rows, schema=FOUND, orient="row")


def _causes(
    found: pl.DataFrame,
    *,
    kind: pl.Expr,
    severity: pl.Expr,
    description: pl.Expr,
    evidence: Sequence[pl.Expr | str] | str,
    time: str,
) -> pl.DataFrame:
    return found.select(
        "instrument",
        "timeframe",
        anomaly_type=kind,
        severity=severity,
        description=description,
        evidence=evidence if isinstance(evidence, str) else pl.struct(*evidence).struct.json_encode(),
        data_point_time=time,
    ).cast(pl.Schema(FOUND))


def _spoken(instant: str) -> pl.Expr:
    """An instant as a table has room for it: the date of a day or week, else with the time of day."""
    day, moment = (pl.col(instant).dt.strftime(form) for form in ("%Y-%m-%d", "%Y-%m-%d %H:%M"))
    return pl.when(pl.col("timeframe") < Timeframe.D1.code).then(moment).otherwise(day)


_MADE = {Look.GAPS: of_gaps, Look.OUTLIERS: of_outliers, Look.STALENESS: of_stale, Look.DUPLICATES: of_doubles}
