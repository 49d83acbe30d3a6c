"""The health run of `barhouse up`, every six hours, until the scheduler's leader takes it over."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import anyio
import structlog

from barhouse.alerts import Channel, channels
from barhouse.config import Settings
from barhouse.errors import BarhouseError
from barhouse.flow.alerting import deliver
from barhouse.flow.health import health_run, room
from barhouse.store.postgres import Database

log = structlog.get_logger()

EVERY = 6
"""Hours between two health runs, from midnight UTC on."""

RETRYING = 30.0
"""Seconds between two looks for messages that could not be delivered."""


async def watch(db: Database, settings: Settings) -> None:
    """Look how the warehouse is, now and at 0, 6, 12 and 18 UTC, and tell people; until it is cancelled.

    Several processes may do so: incidents are opened once, and each message is sent by one of them.
    """
    if not settings.health_enabled:
        return
    told = channels(settings.alert_urls, settings.alert_secret)
    due = datetime.now(UTC)
    while True:
        if (now := datetime.now(UTC)) >= due:
            await anyio.to_thread.run_sync(_run, db, settings)
            due = following(now)
        await anyio.to_thread.run_sync(_deliver, db, told)
        await anyio.sleep(min(RETRYING, max((due - datetime.now(UTC)).total_seconds(), 0)))


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
