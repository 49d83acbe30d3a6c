"""Jobs: what somebody wants brought, handed to the workers, and how far it is."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import structlog
from psycopg import Connection

from barhouse.errors import Conflict, UnknownRecord
from barhouse.flow.plan import Wanted
from barhouse.model import Series, Span
from barhouse.store import executions, instruments, jobs, outcomes, queue, quotas, runs
from barhouse.store.executions import known
from barhouse.store.jobs import Kind
from barhouse.store.postgres import Database

log = structlog.get_logger()

Job = dict[str, Any]
"""`job_id, kind, requested_by, status, created_at, started_at, completed_at`, its series (`total, queued, running,
successful, failed`), `retried, records_inserted, bars_done, bars_expected`, `progress`, `eta_seconds`, and `tasks`."""


def request(
    db: Database, kind: Kind, wanted: Sequence[Wanted], *, by: str, refresh: bool = False, exactly: bool = False
) -> Job:
    """The job that brings what is wanted: a new one, or the unfinished one that has all these series already.

    A series that is waiting or under way for another job is shared. With `exactly` a series under way that is not
    brought as far as it is wanted is a Conflict (409), and nothing is asked for.
    """
    if not wanted:
        raise UnknownRecord("Nothing of that is tracked; `barhouse track AAPL` starts it")
    with db.transaction() as connection:
        return requested(connection, kind, wanted, by=by, refresh=refresh, exactly=exactly)


def requested(
    connection: Connection,
    kind: Kind,
    wanted: Sequence[Wanted],
    *,
    by: str,
    refresh: bool = False,
    exactly: bool = False,
    fresh_since: datetime | None = None,
) -> Job:
    """The same in the transaction of the caller. What was read since `fresh_since` is not read again.

    With `refresh` keys that vendors refused are tried once more: they may have been mended there.
    """
    if refresh:
        quotas.reopen(connection)
    asked = {each.series: each.span for each in wanted}
    active = executions.opened(connection, asked)
    spans = {active[series]: span for series, span in asked.items()}
    jobs.want(connection, spans, refresh=refresh, fresh_since=fresh_since)
    if exactly:
        _see_that_all_is_brought(connection, spans, refresh=refresh)
    job = jobs.holding(connection, list(spans)) or _begun(connection, kind, active, by)
    queue.deliver(connection, list(spans))
    return _told(connection, job)


def _see_that_all_is_brought(connection: Connection, spans: Mapping[UUID, Span], *, refresh: bool) -> None:
    if busy := jobs.narrower(connection, spans, refresh=refresh):
        named = ", ".join(f"{symbol} {timeframe}" for symbol, timeframe in busy[:3])
        raise Conflict(f"{named}: another span of it is being brought; ask again when that is through")


def _begun(connection: Connection, kind: Kind, active: Mapping[Series, UUID], by: str) -> UUID:
    symbols = len({series.instrument for series in active})
    run = runs.begin(connection, datetime.now(UTC), symbols, owner=None)
    job = jobs.begin(connection, kind, list(active.values()), by=by, run=run)
    log.info(f"{kind}_job_started", job=str(job), requested_by=by, symbols=symbols, series=len(active))
    return job


def job(db: Database, job_id: str) -> Job:
    """How a job stands, with its tasks; UnknownRecord (404) for an id that nobody knows."""
    with db.connection() as connection:
        return _told(connection, _known(job_id))


def standings(db: Database, job_ids: Collection[str]) -> dict[str, Job]:
    """How some jobs stand, without their tasks, by id; those that nobody knows are left out."""
    with db.connection() as connection:
        rows = outcomes.standings(connection, job_ids)
    return {row["job_id"]: _measured(row) for row in rows}


def recent(db: Database, kind: Kind | None = None, limit: int = 20) -> list[Job]:
    """How the latest jobs stand, without their tasks, newest first."""
    with db.connection() as connection:
        return [_measured(each) for each in jobs.recent(connection, kind, limit)]


def cancel(db: Database, job_id: str) -> Job:
    """End a job, but for the series that other jobs want too; what was kept stays. Conflict (409) if it is through."""
    with db.transaction() as connection:
        number = _known(job_id)
        if _told(connection, number)["status"] in ("completed", "failed"):
            raise Conflict(f"Job {job_id} is through already")
        jobs.book(connection, jobs.cancel(connection, number))
        return _told(connection, number)


def retry(db: Database, job_id: str, *, by: str) -> Job:
    """A new job of what failed in one that is through; Conflict (409) where nothing did."""
    told = job(db, job_id)
    with db.connection() as connection:
        failed = jobs.failed(connection, UUID(told["job_id"]))
    if not failed:
        raise Conflict(f"Nothing of job {job_id} has failed")
    return request(db, Kind(told["kind"]), [Wanted(series, span) for series, span in failed], by=by)


def catch_up(db: Database, now: datetime, *, by: str) -> Job | None:
    """The job that brings all that is tracked up to date; None where nothing is."""
    with db.connection() as connection:
        tracked = instruments.tracked(connection)
    wanted = [Wanted(each.series, Span(each.since, now)) for each in tracked if each.since < now]
    return request(db, Kind.ENRICHMENT, wanted, by=by) if wanted else None


def _known(job_id: str) -> UUID:
    if (number := known(job_id)) is None:
        raise UnknownRecord(f"No job has the id {job_id!r}; `barhouse jobs list` shows them")
    return number


def _told(connection: Connection, number: UUID) -> Job:
    standing = jobs.standing(connection, number)
    if standing is None:
        raise UnknownRecord(f"No job has the id {str(number)!r}; `barhouse jobs list` shows them")
    return _measured(standing) | {"tasks": jobs.tasks(connection, number)}


NEARLY = 0.99
"""How much of a series is done at most while it is under way: its bars are judged and kept after the last was read."""


def _measured(standing: Mapping[str, Any]) -> Job:
    """A job with its progress in percent of the series, and the seconds that are left at the pace so far."""
    through = standing["successful"] + standing["failed"]
    share = _share(standing, through)
    left = None
    if standing["status"] == "in_progress" and share and standing["started_at"]:
        took = (datetime.now(UTC) - standing["started_at"]).total_seconds()
        left = took * (1 - share) / share
    return {**standing, "progress": round(100 * share, 1), "eta_seconds": left}


def _share(standing: Mapping[str, Any], through: int) -> float:
    """How much of a job is done: of series under way, by their bars."""
    if through == standing["total"]:
        return 1.0
    done, expected = standing["bars_done"] or 0, standing["bars_expected"] or 0
    total, begun = int(standing["total"]), int(through + standing["running"])
    return begun / total * min(NEARLY, done / expected) if expected else through / total
