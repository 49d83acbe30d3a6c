"""A task of a job: to bring its series, however often it is delivered, once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from uuid import UUID

import anyio
import structlog

from barhouse.errors import DatabaseUnavailable
from barhouse.flow.backfill import Outcome
from barhouse.flow.plan import Wanted
from barhouse.flow.retries import WAITS
from barhouse.flow.run import bring
from barhouse.flow.starts import Starts
from barhouse.flow.sweep import note, sweep
from barhouse.flow.under_way import Task
from barhouse.model import Series
from barhouse.sources.base import Source
from barhouse.store import jobs, queue
from barhouse.store.postgres import Database

log = structlog.get_logger()


TOGETHER = 20
"""Series that are brought together at most: ten fill a transaction, and a job beside has to wait for no more."""


async def perform(
    db: Database, sources: Mapping[str, Source], execution: UUID, starts: Starts, waits: Sequence[float] = WAITS
) -> None:
    """Bring what an execution wants, and those of its job that wait behind it; what others are at they bring.

    Each is booked for its jobs. A series that failed is tried again after each of `waits`, in seconds. When the worker
    is told to stop, all are given back, and go on elsewhere from where they came to. Where an unexpected error ends it,
    the one that was asked for is brought alone, to see whose it is.
    """
    tasks = await anyio.to_thread.run_sync(_together, db, execution)
    try:
        outcomes = await _bring(db, sources, tasks, starts, waits)
    except DatabaseUnavailable:
        raise  # nobody's fault: all go on when it is back
    except Exception as error:
        log.error("enrichment_error", execution=str(execution), error=f"{type(error).__name__}: {error}")
        if len(tasks) == 1:
            raise
        log.warning("tasks_parted", tasks=len(tasks), error=f"{type(error).__name__}: {error}")
        outcomes = await _bring(db, sources, tasks[:1], starts, waits)
    if written := [outcome.series for outcome in outcomes if outcome.fetches]:
        await anyio.to_thread.run_sync(_judge, db, written)


def _judge(db: Database, written: Sequence[Series]) -> None:
    """Judge what came. Where that breaks the bars stay, and it is told of them that they could not be judged."""
    try:
        sweep(db, written)
    except Exception as error:
        log.exception("enrichment_error", series=[str(each) for each in written])
        note(db, written, f"{type(error).__name__}: {error}")


async def _bring(
    db: Database, sources: Mapping[str, Source], tasks: Sequence[jobs.Task], starts: Starts, waits: Sequence[float]
) -> list[Outcome]:
    """Bring what tasks of one run want, and book it."""
    if not tasks:
        return []
    own = Task({each.series: each.execution for each in tasks}, tasks[0].run, waits)
    wanted = [Wanted(each.series, each.span) for each in tasks]
    try:
        whole, fresh = tasks[0].refresh, tasks[0].fresh_since
        return await bring(db, sources, wanted, concurrency=starts, refresh=whole, task=own, fresh_since=fresh)
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(_book, db, own.executions.values())


def recover(db: Database, stalled: timedelta) -> None:
    """Let nothing be lost with workers that have given no sign of life for so long: neither tasks nor books."""
    ended: list[jobs.Ended] = []
    with db.transaction() as connection:
        if queue.alone(connection):
            queue.revive(connection, stalled)
            queue.deliver(connection)
            ended = jobs.book(connection, jobs.unbooked(connection))
    _say_ended(ended)


def _say_ended(ended: Sequence[jobs.Ended]) -> None:
    for each in ended:
        counts = {"successful": each.successful, "failed": each.failed, "records": each.records}
        log.info(f"{each.kind}_job_completed", job=str(each.job), status=each.status, **counts)


def _together(db: Database, execution: UUID) -> list[jobs.Task]:
    with db.connection() as connection:
        return jobs.together(connection, execution, TOGETHER)


def _book(db: Database, executions: Collection[UUID]) -> None:
    with db.transaction() as connection:
        ended = jobs.book(connection, executions)
    _say_ended(ended)
