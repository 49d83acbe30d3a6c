"""Logs are kept for so many days; what is known of bars is kept for ever."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import datetime, timedelta

import structlog
from psycopg import Connection

from barhouse.config import Settings
from barhouse.store import retention
from barhouse.store.postgres import Database

log = structlog.get_logger()

QUOTA = timedelta(hours=1)
"""How long sends are kept: the longest window of a quota is 61 s."""


def prune(db: Database, settings: Settings, now: datetime, *, dry_run: bool = False) -> dict[str, int]:
    """Take out of each log what is older than `retention_days`: how many rows of which log went.

    Never bars, coverage, corporate actions, corrections, stays, cleanups, or the quarantine; and no fetch that changed
    a bar: `as_of` reads by it. It goes in batches, each kept by itself. A dry run does the same and takes it back.
    """
    with db.connection() as connection, _taken_back(connection) if dry_run else nullcontext():
        gone = {
            each.name: retention.forget(connection, each, before)
            for each, before in zip(retention.LOGS, _before(settings, now), strict=True)
        }
    log.info("logs_pruned", rows=sum(gone.values()), dry_run=dry_run)
    return gone


@contextmanager
def _taken_back(connection: Connection) -> Iterator[None]:
    with connection.transaction(force_rollback=True):
        yield


def _before(settings: Settings, now: datetime) -> list[datetime]:
    """What is older goes, for each log in their order."""
    days = settings.retention_days
    kept = {
        "fetches": days.fetches,
        "computations": days.computations,
        "failures": days.computations,
        "jobs": days.jobs,
        "executions": days.jobs,
        "series_runs": days.series_runs,
        "runs": days.runs,
        "health_runs": days.health_runs,
        "deliveries": days.incidents,
        "incidents": days.incidents,
        "anomalies": days.anomalies,
    }
    return [now - (timedelta(days=kept[each.name]) if each.name in kept else QUOTA) for each in retention.LOGS]
