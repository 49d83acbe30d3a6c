"""The health run of `barhouse up`, every six hours, until the scheduler's leader takes it over."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import anyio
import structlog
from anyio.from_thread import start_blocking_portal

from barhouse.alerts import Channel, channels
from barhouse.config import Settings
from barhouse.errors import BarhouseError
from barhouse.flow.alerting import deliver
from barhouse.flow.health import health_run, room
from barhouse.store import health
from barhouse.store.postgres import Database

log = structlog.get_logger()

EVERY = 6
"""Hours between two health runs, from midnight UTC on."""

RETRYING = 30.0
"""Seconds between two looks for messages that could not be delivered."""


CATCHING_UP = 5.0
"""Seconds between two looks whether the first backfill is through."""


@contextmanager
def watching(db: Database, settings: Settings) -> Iterator[None]:
    """Look, beside what is done, how the warehouse is: when it has caught up, then at 0, 6, 12 and 18 UTC.

    Several processes may do so: incidents are opened once, and each message is sent by one of them. SettingsError for
    people who could not be told.
    """
    told = channels(settings.alert_urls, settings.alert_secret)
    if not settings.health_enabled:
        yield
        return
    with start_blocking_portal() as portal:
        task = portal.start_task_soon(_watch, db, settings, told)
        try:
            yield
        finally:
            task.cancel()


async def _watch(db: Database, settings: Settings, told: Sequence[Channel]) -> None:
    due = following(datetime.now(UTC))
    await _caught_up(db, due)
    while True:
        await anyio.to_thread.run_sync(_run, db, settings)
        due = following(datetime.now(UTC))
        while datetime.now(UTC) < due:
            await anyio.to_thread.run_sync(_deliver, db, told)
            await anyio.sleep(min(RETRYING, max((due - datetime.now(UTC)).total_seconds(), 0)))


async def _caught_up(db: Database, latest: datetime) -> None:
    """Wait until no backfill waits or runs: before, what is late is only about to be brought."""
    is_busy = True
    while is_busy and datetime.now(UTC) < latest:
        await anyio.sleep(CATCHING_UP)
        is_busy = await anyio.to_thread.run_sync(_is_busy, db)


def _is_busy(db: Database) -> bool:
    try:
        with db.connection() as connection:
            return health.is_busy(connection)
    except BarhouseError as error:
        log.warning("catching_up_unknown", error=str(error))
        return True


def following(now: datetime) -> datetime:
    """When the next health run is due."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + timedelta(hours=EVERY * (now.hour // EVERY + 1))


def _run(db: Database, settings: Settings) -> None:
    try:
        health_run(db, data_dir=room(settings))
    except (BarhouseError, OSError) as error:
        log.error("health_run_failed", error=str(error))


def _deliver(db: Database, told: Sequence[Channel]) -> None:
    try:
        deliver(db, told)
    except BarhouseError as error:
        log.error("alerts_not_sent", error=str(error))
