"""What came of jobs, symbol by symbol; one has failed when one of its series has."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import dict_row

from barhouse.model import Instrument
from barhouse.store.queries import queries

query = queries("outcomes")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which jobs are asked for; what is None does not matter."""

    kind: str | None = None
    statuses: list[str] | None = None
    symbol: str | None = None
    by: str | None = None
    """Letters in the name of who asked for it."""
    before: datetime | None = None
    """Only those asked for earlier."""


def standings(connection: Connection, jobs: Collection[str]) -> list[dict[str, Any]]:
    """How some jobs stand, as `store.jobs.standing` tells it."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query.standings, {"jobs": list(jobs)}).fetchall()


def history(
    connection: Connection, limit: int, job: UUID | None = None, *, ended: bool = False
) -> list[dict[str, Any]]:
    """What came of the latest enrichments (that have `ended`), or of one `job`, newest first.

    `job_id, started_at, completed_at, duration_seconds, status, successful, failed, retried, total_records_inserted,
    total_records_updated`
    """
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query.history, {"limit": limit, "job": job, "ended": ended}).fetchall()


def of_symbol(connection: Connection, instrument: Instrument) -> dict[str, Any] | None:
    """How an instrument stands in the newest job that has it; None where none has.

    `status, retry_count, last_error, started_at, completed_at`
    """
    told = {"symbol": instrument.symbol, "asset_class": instrument.asset_class}
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query.of_symbol, told).fetchone()


def under_way(connection: Connection, limit: int) -> list[dict[str, Any]]:
    """The symbols of jobs that are not through, and of the latest job, but for those that are fine.

    `waits, symbol, asset_class, status, retry_count, last_error`; at most `limit` that wait and as many others.
    """
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query.under_way, {"limit": limit}).fetchall()


def page(connection: Connection, wanted: Wanted, limit: int) -> list[str]:
    """The ids of jobs, newest first."""
    return [job for (job,) in connection.execute(query.page, asdict(wanted) | {"limit": limit})]


def active(connection: Connection, limit: int) -> list[str]:
    """The ids of the jobs that are not through, those that run first."""
    return [job for (job,) in connection.execute(query.active, {"limit": limit})]


def log(
    connection: Connection,
    job: UUID,
    limit: int,
    *,
    before: datetime | None = None,
    symbol: str | None = None,
    errors: bool = False,
) -> list[dict[str, Any]]:
    """What happened in a job, newest first; with `errors` only what went wrong.

    `at, what` (fetch, compute, begun, ended)`, symbol, asset_class, timeframe, source, success, error, span_start,
    span_end, fetched, inserted, updated, quarantined, features, took_ms`; None where that is nothing to tell.
    """
    told = {"job": job, "limit": limit, "before": before, "symbol": symbol, "errors": errors}
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query.log, told).fetchall()


def books(connection: Connection, job: UUID) -> dict[str, Any] | None:
    """What the run of a job has come to; None where it has none, or retention took it."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query.books, {"job": job}).fetchone()
