"""What came of jobs, symbol by symbol; one has failed when one of its series has."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import dict_row

from barhouse.model import Instrument
from barhouse.store.queries import queries

query = queries("outcomes")


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
