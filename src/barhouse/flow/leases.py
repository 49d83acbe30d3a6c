"""Signs of life of a run, by which its series stay its own; one that stood still asks first whether they are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from time import monotonic

import anyio
import structlog

from barhouse.errors import DatabaseUnavailable
from barhouse.flow.under_way import Run
from barhouse.model import Series
from barhouse.store import executions, runs
from barhouse.store.executions import BEAT, LEASE

log = structlog.get_logger()


@contextmanager
def alive(run: Run) -> Iterator[None]:
    """Give signs of life from a thread of its own, so that busy ones cannot make a run look dead."""
    over = Event()
    thread = Thread(target=_beat, args=(run, over), name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


async def holds(run: Run, series: Series) -> bool:
    """Whether a series is still this run's to ask for; a process that was frozen may have lost it meanwhile."""
    if monotonic() - run.signed > LEASE.total_seconds():
        await anyio.to_thread.run_sync(_sign, run)
    claim = run.claims.get(series)
    return claim is not None and claim.execution_id not in run.taken


def _beat(run: Run, over: Event) -> None:
    while not over.wait(BEAT.total_seconds()):
        try:
            _sign(run)
        except DatabaseUnavailable as error:
            log.warning("heartbeat_missed", run=str(run.number), error=str(error))


def _sign(run: Run) -> None:
    """Renew the leases, and hear which of them others have."""
    now = monotonic()
    with run.db.connection() as connection:
        run.taken |= executions.beat(connection, list(run.claims.values()))
        if run.task is None:
            runs.beat(connection, run.number)
    run.signed = now
