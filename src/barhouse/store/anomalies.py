"""What is wrong with the data: one row a cause, from open to resolved, however often it is seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any, NamedTuple

import polars as pl
from psycopg import Connection
from psycopg.rows import dict_row

from barhouse.model import INSTANT, Schema, Span, Timeframe
from barhouse.store.arrays import array
from barhouse.store.queries import queries

query = queries("anomalies")

FOUND: Schema = {
    "instrument": pl.Int32(),
    "timeframe": pl.Int16(),
    "anomaly_type": pl.String(),
    "severity": pl.String(),
    "description": pl.String(),
    "evidence": pl.String(),
    "data_point_time": INSTANT,
}
"""Causes as a check found them: numbers as in the database, `evidence` as JSON."""

CAUSE = ["instrument", "timeframe", "anomaly_type", "data_point_time"]
"""What makes two sightings the same one."""


class Status(StrEnum):
    """How far an anomaly has come: open → acknowledged → resolved, or at once to resolved."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


class Checked(NamedTuple):
    """Which kinds of anomalies were really looked for, and in which series."""

    instruments: Sequence[int]
    timeframes: Sequence[Timeframe]
    kinds: Sequence[str]
    span: Span = Span(datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC))
    """Only causes in it were looked for."""


class Changes(NamedTuple):
    """What a reconciliation came to."""

    raised: int
    changed: int
    resolved: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which anomalies are asked for, all of them where it is None."""

    symbol: str | None = None
    asset_class: str | None = None
    timeframe: str | None = None
    type: str | None = None
    severity: str | None = None
    status: str | None = None
    faults: bool = False
    """Only what is wrong by now: neither resolved, nor a real move or a quiet time."""
    since: date | None = None
    """Only what happened from this day on."""
    before: int | None = None
    """The number of the anomaly behind which to go on."""


def take_turns(connection: Connection) -> None:
    """Wait until this transaction is the only one that judges: what it sees holds until it has written it down."""
    connection.execute(query.take_turns)


def reconcile(connection: Connection, found: pl.DataFrame, *, checked: Checked) -> Changes:
    """Make the open causes of what was checked those that were `found` (`FOUND`); a second time changes nothing.

    New causes are raised, known ones change only if their severity or evidence does, and those that are gone are
    resolved. What somebody acknowledged stays acknowledged until it is gone.
    """
    row = connection.execute(query.reconcile, {**_columns(found), **_told(checked)}).fetchone()
    return Changes(*row or (0, 0, 0))


def raised(connection: Connection, found: pl.DataFrame) -> Changes:
    """Raise causes (`FOUND`) that nobody looks for in whole series; others stay as they are."""
    return reconcile(connection, found, checked=Checked((), (), ()))


def resolve(connection: Connection, mended: pl.DataFrame, timeframe: Timeframe, kind: str) -> None:
    """Resolve the causes of one `kind` at the instants `mended` (instrument, time) of series, unseen."""
    told = {"instruments": array(mended["instrument"]), "times": array(mended["time"])}
    connection.execute(query.resolve, {**told, "timeframe": timeframe.code, "type": kind})


def _columns(found: pl.DataFrame) -> dict[str, list[Any]]:
    once = found.unique(CAUSE, keep="last", maintain_order=True)
    names = ("instruments", "timeframes", "types", "severities", "descriptions", "evidences", "times")
    return {name: once[column].to_list() for name, column in zip(names, FOUND, strict=True)}


def _told(checked: Checked) -> dict[str, Any]:
    return {
        "checked": list(checked.instruments),
        "looked_at": [each.code for each in checked.timeframes],
        "kinds": list(checked.kinds),
        "start": checked.span.start,
        "end": checked.span.end,
    }


def listed(connection: Connection, wanted: Wanted, limit: int) -> list[dict[str, Any]]:
    """The anomalies that are asked for, with their evidence, the latest first."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query.listed, {**asdict(wanted), "limit": limit}).fetchall()


def counted(connection: Connection) -> list[dict[str, Any]]:
    """How many (`found`) are not resolved of each `anomaly_type, severity, resolution_status`, the worst first."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query.counted).fetchall()


def acknowledge(connection: Connection, numbers: Sequence[int], author: str, note: str | None = None) -> int:
    """How many of these anomalies `author` is the first to have seen."""
    told = {"ids": list(numbers), "author": author, "note": note}
    return connection.execute(query.acknowledge, told).rowcount


def one(connection: Connection, number: int) -> dict[str, Any] | None:
    """The anomaly of that number as it stands now; None if there is none."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query.one, {"id": number}).fetchone()
