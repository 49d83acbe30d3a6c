"""What the leader does itself: short, and to be done though no worker lives."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import structlog

from barhouse.config import Settings
from barhouse.errors import BarhouseError
from barhouse.flow.health import COUNTS, health_run, room
from barhouse.flow.retention import prune
from barhouse.store.postgres import Database
from barhouse.store.schedules import Name

log = structlog.get_logger()


def errand(db: Database, settings: Settings, name: Name, now: datetime) -> dict[str, Any]:
    """Do what a schedule is for, and tell what came of it; what fails is told too, and done at its next time."""
    try:
        return {"outcome": "completed", **_done(db, settings, name, now)}
    except (BarhouseError, OSError) as error:
        log.error("errand_failed", schedule=name.value, error=str(error))
        return {"outcome": "failed", "error": str(error)}


def _done(db: Database, settings: Settings, name: Name, now: datetime) -> dict[str, Any]:
    if name is Name.RETENTION:
        return dict(prune(db, settings, now))
    told = health_run(db, data_dir=room(settings), rules=settings.alert_rules)
    return {count: told[count] for count in COUNTS}
