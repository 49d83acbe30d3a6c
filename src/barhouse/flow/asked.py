"""What was asked for, to be looked through: pages of jobs, and what happened in one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

from barhouse.flow import jobs
from barhouse.flow.jobs import Job
from barhouse.store import outcomes
from barhouse.store.outcomes import Wanted
from barhouse.store.postgres import Database

Event = dict[str, Any]
"""What happened in a job, as `store.outcomes.log` tells it."""


REMEMBERED = 500
"""So many jobs that are through are not counted again: nothing of them changes any more, and a nightly one has
thousands of series."""

_through: WeakKeyDictionary[Database, dict[str, Job]] = WeakKeyDictionary()


def page(db: Database, wanted: Wanted, limit: int) -> tuple[list[Job], datetime | None]:
    """How jobs stand, newest first, without their tasks; and before when there are more, None where none are."""
    with db.connection() as connection:
        found = outcomes.page(connection, wanted, limit + 1)
    told = _standings(db, found[:limit])
    shown = [told[each] for each in found[:limit] if each in told]
    return shown, shown[-1]["created_at"] if len(found) > limit and shown else None


def _standings(db: Database, job_ids: Sequence[str]) -> dict[str, Job]:
    known = _through.get(db, {})
    told = jobs.standings(db, [each for each in job_ids if each not in known])
    every = {each: known[each] for each in job_ids if each in known} | told
    ended = known | {each: job for each, job in told.items() if job["completed_at"]}
    _through[db] = dict(list(ended.items())[-REMEMBERED:])
    return every


def happened(
    db: Database,
    job_id: str,
    limit: int,
    *,
    before: datetime | None = None,
    symbol: str | None = None,
    errors: bool = False,
) -> tuple[Sequence[Event], datetime | None]:
    """What happened in a job, newest first; and before which instant there is more, None where nothing is."""
    with db.connection() as connection:
        found = outcomes.log(connection, UUID(job_id), limit + 1, before=before, symbol=symbol, errors=errors)
    return found[:limit], found[limit - 1]["at"] if len(found) > limit else None


def books(db: Database, job_id: str) -> dict[str, Any] | None:
    """What the run of a job has come to, as the schedulers' log has it; None where it has none any more."""
    with db.connection() as connection:
        return outcomes.books(connection, UUID(job_id))
