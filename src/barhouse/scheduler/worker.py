"""A worker: does the tasks of the queue, beside any number of others on the same database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import timedelta
from functools import partial
from threading import Event, Thread
from time import monotonic
from typing import Any
from uuid import UUID

import structlog
from procrastinate import App, PsycopgConnector
from procrastinate.exceptions import ConnectorException
from psycopg import AsyncConnection, sql

from barhouse.config import Settings
from barhouse.errors import DatabaseUnavailable, MigrationError
from barhouse.flow.retries import WAITS
from barhouse.flow.starts import Starts, at_once
from barhouse.flow.task import perform, recover
from barhouse.flow.vendors import vendors
from barhouse.flow.warehouse import require_known
from barhouse.sources.base import Source
from barhouse.store.executions import BEAT, LEASE
from barhouse.store.postgres import Database
from barhouse.store.queue import QUEUE, SCHEMA, TASK

log = structlog.get_logger()

RECOVERY = timedelta(seconds=5)
"""How often it is looked for tasks of dead workers."""

POLL = 1.0
"""Seconds between two looks at the queue; a notice comes sooner, if its listener lives."""

GRACE = 0.5
"""Seconds that tasks get to end by themselves when the worker is told to stop; then they are given back."""

FIRST, LONGEST, STEADY = 0.5, 5.0, 60.0
"""Seconds before a worker that ended starts again, at first and at most; after so many it was a steady one."""

OUTDATED = 60.0
"""Seconds before a worker that is older than the schema looks again."""


@contextmanager
def working(db: Database, settings: Settings, *, waits: Sequence[float] = WAITS) -> Iterator[Starts]:
    """Do tasks beside what is done, in a thread with a loop of its own; those in hand are given back at the end.

    How many series are fetched at once, and how far apart they start, may be changed meanwhile. What fails is tried
    again after each of `waits`, in seconds.
    """
    over, starts = Event(), Starts(at_once(settings), settings.stagger_seconds)
    args = (over, db, settings, starts, partial(_perform, starts, waits))
    thread = Thread(target=_loop, args=args, name="worker")
    thread.start()
    try:
        yield starts
    finally:
        over.set()
        thread.join()


Performing = Callable[[Database, Mapping[str, Source], UUID], Awaitable[None]]
"""Does the task of an execution."""


async def _perform(
    starts: Starts, waits: Sequence[float], db: Database, sources: Mapping[str, Source], execution: UUID
) -> None:
    try:
        await perform(db, sources, execution, starts, waits)
    except DatabaseUnavailable as error:
        log.warning("task_interrupted", execution=str(execution), error=str(error))


def _loop(over: Event, db: Database, settings: Settings, starts: Starts, performing: Performing) -> None:
    # Polars raises Ctrl-C in whatever thread computes: the loop ends then, and its tasks are given back
    with suppress(KeyboardInterrupt):
        asyncio.run(_until(over, db, settings, starts, performing))


async def _until(over: Event, db: Database, settings: Settings, starts: Starts, performing: Performing) -> None:
    asyncio.get_running_loop().set_exception_handler(_say)
    task = asyncio.create_task(work(db, settings, starts, performing))
    await asyncio.to_thread(over.wait)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _say(loop: asyncio.AbstractEventLoop, lost: dict[str, Any]) -> None:
    """Tell in a line that the queue could not be told of the end of a task; whatever else nobody waited for as ever."""
    error = lost.get("exception")
    if isinstance(error, ConnectorException):
        log.warning("receipt_lost", error=str(error.__cause__ or error).strip())
    else:
        loop.default_exception_handler(lost)


async def work(db: Database, settings: Settings, starts: Starts, performing: Performing) -> None:
    """Do tasks until cancelled, as many at once as series may start; whatever ends the worker, it starts again."""
    sources = vendors(db, settings)
    try:
        await _supervised(db, sources, starts, performing)
    finally:
        for source in sources.values():
            await source.close()


async def _supervised(db: Database, sources: Mapping[str, Source], starts: Starts, performing: Performing) -> None:
    delay = FIRST
    while True:
        began = monotonic()
        try:
            await _live(db, sources, starts, performing)
            log.warning("worker_ended")
        except MigrationError as outdated:
            log.error("worker_outdated", error=str(outdated))
            delay = OUTDATED
        except Exception as error:  # noqa: BLE001
            log.warning("worker_ended", error=f"{type(error).__name__}: {error}")
        delay = FIRST if monotonic() - began > STEADY else delay
        await asyncio.sleep(delay)
        delay = min(2 * delay, LONGEST)


async def _live(db: Database, sources: Mapping[str, Source], starts: Starts, performing: Performing) -> None:
    """One life: it ends with its connections, when more may start at once than it has tasks in hand, or by
    MigrationError when a newer Barhouse has come to the database."""
    await asyncio.to_thread(require_known, db)
    parts = (_run(db, sources, starts.most, performing), _outgrown(starts, starts.most), _recover(db))
    ends = [asyncio.create_task(part) for part in parts]
    try:
        ended, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in ends:
            task.cancel()
        await asyncio.gather(*ends, return_exceptions=True)
    for task in ended:
        task.result()


async def _run(db: Database, sources: Mapping[str, Source], concurrency: int, performing: Performing) -> None:
    """Do tasks as long as the connections last."""
    app = App(
        connector=PsycopgConnector(
            conninfo=db.url, min_size=1, max_size=4, timeout=LONGEST, configure=_at_home, kwargs={"connect_timeout": 5}
        )
    )

    @app.task(name=TASK)
    async def bring(execution: str) -> None:
        await performing(db, sources, UUID(execution))

    async with _open(app):
        await app.run_worker_async(
            queues=[QUEUE],
            concurrency=concurrency,
            install_signal_handlers=False,
            update_heartbeat_interval=BEAT.total_seconds(),
            stalled_worker_timeout=LEASE.total_seconds(),
            fetch_job_polling_interval=POLL,
            shutdown_graceful_timeout=GRACE,
            delete_jobs="always",
        )


async def _outgrown(starts: Starts, most: int) -> None:
    """Wait until more than so many may start at once: the library takes up as many tasks as it was told at first."""
    await starts.exceed(most)
    log.info("concurrency_raised", at_once=starts.most)


@asynccontextmanager
async def _open(app: App) -> AsyncIterator[None]:
    """The connections of `app`. A pool that is cancelled while it opens takes that for a failed try, and never ends."""
    opening = asyncio.ensure_future(app.open_async())
    try:
        await asyncio.shield(opening)
        yield
    finally:
        await asyncio.wait([opening])
        await app.close_async()


async def _at_home(connection: AsyncConnection) -> None:
    """The library names its tables without a schema."""
    await connection.execute(sql.SQL("SET search_path = {}").format(sql.Identifier(SCHEMA)))
    await connection.commit()


async def _recover(db: Database) -> None:
    """Let no task get lost with its worker, as long as the schema is the one we know; MigrationError once it is not."""
    while True:
        try:
            await asyncio.to_thread(require_known, db)
            await asyncio.to_thread(recover, db, LEASE)
        except DatabaseUnavailable as error:
            log.warning("recovery_missed", error=str(error))
        await asyncio.sleep(RECOVERY.total_seconds())
