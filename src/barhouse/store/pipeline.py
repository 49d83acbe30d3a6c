"""How fetching and computing went lately, over all series."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import dict_row

from barhouse.store.queries import queries

query = queries("pipeline")


def fetches(connection: Connection, since: datetime) -> dict[str, Any]:
    """`total_fetches, successful, success_rate` in percent`, avg_response_time_ms, api_quota_remaining`."""
    return _row(connection, query.fetches, since)


def computations(connection: Connection, since: datetime) -> dict[str, Any]:
    """`total_computations, successful, success_rate` in percent`, avg_computation_time_ms`."""
    return _row(connection, query.computations, since)


def quality(connection: Connection, since: date) -> dict[str, Any]:
    """`symbols_tracked, avg_validation_rate` in percent`, avg_quality_score`."""
    return _row(connection, query.quality, since)


def progress(connection: Connection) -> dict[str, Any]:
    """How many series stand how: `in_progress, completed, failed, pending`."""
    return _row(connection, query.progress)


def _row(connection: Connection, statement: bytes, since: date | None = None) -> dict[str, Any]:
    with connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(statement, {"since": since}).fetchone()
    assert row is not None  # noqa: S101
    return row
