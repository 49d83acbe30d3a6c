"""A task of a job: to bring one series, however often it is delivered, once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

import anyio
import structlog

from barhouse.flow.backfill import Outcome
from barhouse.flow.plan import Wanted
from barhouse.flow.run import Task, bring
from barhouse.flow.sweep import sweep
from barhouse.sources.base import Source
from barhouse.store import jobs, queue
from barhouse.store.postgres import Database

log = structlog.get_logger()


async def perform(db: Database, sources: Mapping[str, Source], execution: UUID) -> None:
    """Bring what an execution wants, and book it for its jobs; nothing where it is through, or another is at it.

    When the worker is told to stop, the execution is given back, and goes on elsewhere from where it came to.
    """
    outcomes: list[Outcome] = []
    try:
        if task := await anyio.to_thread.run_sync(_of, db, execution):
            wanted = [Wanted(task.series, task.span)]
            outcomes = await bring(db, sources, wanted, refresh=task.refresh, task=Task(execution, task.run))
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(_book, db, execution)
    for outcome in outcomes:
        _say(outcome)
    if written := [outcome.series for outcome in outcomes if outcome.fetches]:
        await anyio.to_thread.run_sync(sweep, db, written)


def recover(db: Database, stalled: timedelta) -> None:
    """Let nothing be lost with workers that have given no sign of life for so long: neither tasks nor books."""
    with db.transaction() as connection:
        if queue.alone(connection):
            queue.revive(connection, stalled)
            queue.deliver(connection)
            for execution in jobs.unbooked(connection):
                jobs.book(connection, execution)


def _say(outcome: Outcome) -> None:
    counts = {"inserted": outcome.inserted, "updated": outcome.updated, "quarantined": outcome.quarantined}
    log.info("task_completed", series=str(outcome.series), **counts, missing=[str(span) for span in outcome.missing])


def _of(db: Database, execution: UUID) -> jobs.Task | None:
    with db.connection() as connection:
        return jobs.task(connection, execution)


def _book(db: Database, execution: UUID) -> None:
    with db.transaction() as connection:
        jobs.book(connection, execution)
