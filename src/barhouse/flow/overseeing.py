"""How the enrichment of all symbols is by now: who schedules it, how its last job ended, what waits."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from barhouse.flow.enrichment import metrics
from barhouse.flow.scheduling import is_paused, next_enrichment
from barhouse.model import instant
from barhouse.store import outcomes, schedules
from barhouse.store.postgres import Database
from barhouse.store.schedules import Name, Schedule, Standing

SHOWN = 20
"""So many symbols are shown that wait, and so many that are worked on or failed."""

LAST_JOB = ("started_at", "completed_at", "duration_seconds", "successful", "failed", "retried")


def overview(db: Database, *, now: datetime | None = None) -> dict[str, Any]:
    """The whole at a glance, as `GET enrichment/dashboard/overview` tells it."""
    now = now or datetime.now(UTC)
    with db.connection() as connection:
        stands, last = schedules.standing(connection), outcomes.history(connection, 1, ended=True)
        symbols = outcomes.under_way(connection, SHOWN)
    waiting, others = ([_shown(each) for each in symbols if each["waits"] is waits] for waits in (True, False))
    figures = metrics(db, now=now)
    return {
        "scheduler": {
            "running": stands.running,
            "last_enrichment_time": last[0]["completed_at"] if last else None,
            "next_enrichment_time": next_enrichment(stands),
        },
        "last_job": {name: last[0][name] for name in LAST_JOB} if last else None,
        "metrics": {name: figures[name] for name in ("fetch_pipeline", "compute_pipeline", "data_quality")},
        "job_queue": waiting,
        "processing_symbols": others,
        "timestamp": now,
    }


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "waits"}


def health(db: Database) -> dict[str, Any]:
    """Whether enrichment goes on by itself, as `GET enrichment/dashboard/health` tells it."""
    with db.connection() as connection:
        stands, last = schedules.standing(connection), outcomes.history(connection, 1, ended=True)
        told = schedules.settings(connection)
    failed = last[0]["failed"] if last else 0
    return {
        "health_status": _status(stands, failed),
        "scheduler_running": stands.running,
        "last_enrichment_time": last[0]["completed_at"] if last else None,
        "failed_symbols": failed,
        "issues": _issues(stands, failed),
        "config": {**_config(told or {}, stands.named(Name.ENRICHMENT)), "paused": is_paused(stands)},
        "timestamp": datetime.now(UTC),
    }


def _config(told: Mapping[str, Any], own: Schedule | None) -> dict[str, Any]:
    """By which settings the leader enriches; those of the last one where nobody leads, nothing before the first."""
    if own is None or not own.cron:
        return {}
    minute, hour, *_ = own.cron.split()
    return {
        "enrichment_hour": int(hour),
        "enrichment_minute": int(minute),
        "enable_daily_enrichment": own.enabled,
        "follows_backfill": own.follows is not None,
        "max_concurrent_symbols": told.get("max_concurrent_symbols"),
    }


def _status(stands: Standing, failed: int) -> Literal["healthy", "warning", "critical"]:
    if not stands.running:
        return "critical"
    return "warning" if failed or is_paused(stands) else "healthy"


def _issues(stands: Standing, failed: int) -> list[str]:
    """What is wrong, and what to do about it."""
    own = stands.named(Name.ENRICHMENT)
    issues = [] if stands.running else ["No scheduler runs; `barhouse up` starts one"]
    if own and own.paused_at:
        issues.append(f"Paused since {instant(own.paused_at)} by {own.paused_by}; POST enrichment/resume goes on")
    if failed:
        symbols = "1 symbol" if failed == 1 else f"{failed} symbols"
        issues.append(f"{symbols} failed in the last job; GET enrichment/dashboard/overview says why")
    return issues
