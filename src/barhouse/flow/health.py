"""The health run: what is late, what fails, what is wrong, what waits, what runs out; kept, and told to people."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog

from barhouse.config import Settings
from barhouse.config.parts import AlertRules
from barhouse.flow import alerting, signs
from barhouse.flow.lateness import Late, late
from barhouse.flow.signs import Signs
from barhouse.model import Incident, instant
from barhouse.store import health, quotas
from barhouse.store.health import Queue
from barhouse.store.postgres import Database

log = structlog.get_logger()

COUNTS = ("status", "stale_symbols", "failed_symbols", "anomalies_detected", "alerts_triggered", "duration_ms")

DEFAULT = AlertRules()

SHOWN = 100
"""So many of the latest series are kept by name."""


def health_run(
    db: Database, *, data_dir: Path | None = None, now: datetime | None = None, rules: AlertRules = DEFAULT
) -> dict[str, Any]:
    """Look how the warehouse is, open and end incidents accordingly, and keep what was seen; nothing is sent.

    `timestamp`, the counts `stale_symbols`, `failed_symbols`, `anomalies_detected` (open ones) and `alerts_triggered`
    (incidents opened by this run), `status` (healthy, warning or critical, as the incidents are that are open),
    `duration_ms`, and `details`. With a `data_dir` the room on its disk counts too.
    People are told by `rules`. Bars are not judged anew: what sweeps have found holds, only lateness grows by itself.
    """
    began, now = time.perf_counter(), now or datetime.now(UTC)
    overdue, used = late(db, now), quotas.standing(db)
    free = shutil.disk_usage(data_dir).free if data_dir else None
    with db.transaction() as connection:
        failing, found = health.failing(connection), health.anomalies(connection)
        queue, asked = health.waiting(connection), health.sources(connection, now)
        facts = signs.facts(connection, Signs(overdue, failing, asked, queue, free, now), rules)
        decision, standing = alerting.settle(connection, facts, now, rules)
        details = {
            "stale": [_stale(each) for each in overdue if each.is_stale][:SHOWN],
            "failing": failing,
            "anomalies": found,
            "sources": [{"source": each.source, "failures_in_a_row": each.in_a_row} for each in asked],
            "quotas": used,
            "queue": _queue(queue, now),
            "disk_free_bytes": free,
            "incidents": [{"rule": each.rule, "cause": each.cause, "severity": each.severity} for each in standing],
        }
        told = {
            "timestamp": now,
            "status": _status(standing),
            "stale_symbols": len({each.newest.series.instrument for each in overdue if each.is_stale}),
            "failed_symbols": len(failing),
            "anomalies_detected": sum(row["count"] for row in found),
            "alerts_triggered": len(decision.new),
            "duration_ms": round(1000 * (time.perf_counter() - began), 3),
            "details": json.loads(json.dumps(details, default=instant)),
        }
        health.keep(connection, told)
    alerting.announce(decision)
    log.info("health_run_completed", **{name: told[name] for name in COUNTS})
    return told


def room(settings: Settings) -> Path | None:
    """Where the disk is to be watched: the data directory of the embedded PostgreSQL; other servers watch theirs."""
    return settings.data_dir.expanduser() if settings.database_url is None else None


def health_history(db: Database, limit: int = 20) -> Sequence[dict[str, Any]]:
    """The latest health runs as they were told, newest first."""
    with db.connection() as connection:
        return health.history(connection, limit)


def _status(standing: Sequence[Incident]) -> str:
    if not standing:
        return "healthy"
    return "critical" if any(each.severity == "critical" for each in standing) else "warning"


def _stale(each: Late) -> dict[str, Any]:
    series = each.newest.series
    return {
        "symbol": series.instrument.symbol,
        "asset_class": series.instrument.asset_class,
        "timeframe": series.timeframe,
        "last_update": each.last_update,
        "hours_stale": round(each.overdue / 3600, 2),
        "missed_bars": each.missed,
        "severity": each.severity,
        "tracked": each.newest.tracked,
    }


def _queue(queue: Queue, now: datetime) -> dict[str, Any]:
    oldest = (now - queue.oldest).total_seconds() if queue.oldest else None
    return {"waiting": queue.waiting, "oldest_seconds": oldest, "last_success": queue.succeeded}
