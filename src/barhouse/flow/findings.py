"""What a sweep found, as its caller reads it."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from barhouse.checks import Severity
from barhouse.flow.causes import QUIET, Look, told
from barhouse.model import Instrument, Schema, Series, Timeframe

Rows = list[dict[str, Any]]

SERIES = ("instrument", "timeframe")
NAMES: Schema = {
    "instrument": pl.Int32(),
    "timeframe": pl.Int16(),
    "symbol": pl.String(),
    "asset_class": pl.String(),
    "name": pl.String(),
}


@dataclass(frozen=True, slots=True)
class Findings:
    """What is wrong, a dictionary each, by symbol and timeframe; real moves and quiet times are not in it."""

    gaps: Rows = field(default_factory=list)
    """`symbol, asset_class, timeframe, gap_time, gap_seconds, missing_bars, reason, severity`"""
    outliers: Rows = field(default_factory=list)
    """`symbol, …, time, field, value, close, prev_close, pct_change (of that field), verdict, evidence, severity`"""
    stale: Rows = field(default_factory=list)
    """`symbol, asset_class, timeframe, last_update, hours_stale, missed_bars, severity`"""
    duplicates: Rows = field(default_factory=list)
    """`symbol, asset_class, timeframe, time, bars`: a row a slot with the times of the bars in it."""

    failed: Rows = field(default_factory=list)
    """`symbol, asset_class, timeframe, reason, severity`: the series that could not be judged."""

    def __bool__(self) -> bool:
        return any((self.gaps, self.outliers, self.stale, self.duplicates, self.failed))

    def add_failed(self, series: Iterable[Series], reason: str) -> None:
        """Take in that some series could not be judged."""
        for each in series:
            names = {"symbol": each.instrument.symbol, "asset_class": str(each.instrument.asset_class)}
            told = {"timeframe": str(each.timeframe), "reason": reason, "severity": str(Severity.HIGH)}
            self.failed.append(names | told)

    def add(self, found: Mapping[Look, pl.DataFrame], of: Collection[Instrument]) -> None:
        """Take in what was found (`judging.found`) in some instruments."""
        names = pl.DataFrame(
            [(one.number, each.code, one.symbol, one.asset_class, each) for one in of for each in Timeframe],
            schema=NAMES,
            orient="row",
        )
        into = {
            Look.GAPS: self.gaps,
            Look.OUTLIERS: self.outliers,
            Look.STALENESS: self.stale,
            Look.DUPLICATES: self.duplicates,
        }
        for look, frame in found.items():
            if frame.is_empty():
                continue
            rows = (
                names.join(_read[look](frame), on=list(SERIES), maintain_order="right")
                .drop(SERIES)
                .rename({"name": "timeframe"})
            )
            into[look] += rows.rows(named=True)
        for row in self.outliers:
            if isinstance(row["evidence"], str):
                row["evidence"] = json.loads(row["evidence"])


def _gaps(found: pl.DataFrame) -> pl.DataFrame:
    return found.filter(~pl.col("reason").is_in(QUIET)).select(
        *SERIES,
        told("first").alias("gap_time"),
        (pl.col("after") - pl.col("before")).dt.total_seconds().alias("gap_seconds"),
        pl.col("missing").alias("missing_bars"),
        "reason",
        "severity",
    )


def _outliers(found: pl.DataFrame) -> pl.DataFrame:
    figures = ("field", "value", "close", "prev_close", "pct_change", "verdict", "evidence", "severity")
    return found.filter(~pl.col("verdict").is_in(QUIET)).select(*SERIES, told("time"), *figures)


def _stale(found: pl.DataFrame) -> pl.DataFrame:
    return found.select(
        *SERIES,
        told("last_update"),
        (pl.col("overdue_seconds") / 3600).round(2).alias("hours_stale"),
        pl.col("missed").alias("missed_bars"),
        "severity",
    )


def _doubles(found: pl.DataFrame) -> pl.DataFrame:
    slots = found.group_by(*SERIES, "slot", maintain_order=True).agg(bars=told("time"))
    return slots.select(*SERIES, told("slot").alias("time"), "bars")


_read = {Look.GAPS: _gaps, Look.OUTLIERS: _outliers, Look.STALENESS: _stale, Look.DUPLICATES: _doubles}
