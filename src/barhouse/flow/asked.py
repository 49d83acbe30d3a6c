"""What was asked for, to be looked through: pages of jobs, and what happened in one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from barhouse.flow import jobs
from barhouse.flow.jobs import Job
from barhouse.store import outcomes
from barhouse.store.outcomes import Wanted
from barhouse.store.postgres import Database

Event = dict[str, Any]
"""What happened in a job, as `store.outcomes.log` tells it."""


def page(db: Database, wanted: Wanted, limit: int) -> tuple[list[Job], datetime | None]:
    """How jobs stand, newest first, without their tasks; and before when there are more, None where none are."""
    with db.connection() as connection:
        found = outcomes.page(connection, wanted, limit + 1)
    told = jobs.standings(db, found)
    shown = [told[each] for each in found[:limit] if each in told]
    return shown, shown[-1]["created_at"] if len(found) > limit and shown else None


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
