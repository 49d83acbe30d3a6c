"""A process that runs the clock, for tests that kill it: python -m tests.ticker DATABASE_URL SECONDS [SETTING=VALUE…]

The daily backfill comes every so many seconds there.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import UTC
from threading import Event

from apscheduler.triggers.cron import CronTrigger
from pydantic import SecretStr

from barhouse.config import Settings
from barhouse.flow.scheduling import Timetable, timetable
from barhouse.scheduler.clock import ticking
from barhouse.store.postgres import Database
from barhouse.store.schedules import Name


def hurried(settings: Settings, seconds: str) -> Timetable:
    """The schedules of these settings, but with a backfill every so many seconds."""
    table = timetable(settings)
    often = CronTrigger(second=f"*/{seconds}", timezone=UTC)
    return replace(
        table,
        entries=tuple(replace(each, fires=often) if each.name is Name.BACKFILL else each for each in table.entries),
    )


def main(url: str, seconds: str, *others: str) -> None:
    """Run until somebody kills it."""
    own = {"health_enabled": False} | dict(each.split("=", 1) for each in others)
    settings = Settings.model_validate({"database_url": SecretStr(url), **own})
    with Database(url) as db, ticking(db, settings, hurried(settings, seconds)):
        Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
