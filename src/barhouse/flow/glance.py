"""The warehouse at a glance: whether all is well, and if not, why; what runs, what comes next, what it costs."""

from __future__ import annotations

import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal, NamedTuple
from weakref import WeakKeyDictionary

from barhouse.flow import condition, jobs
from barhouse.flow.condition import Aged, Freshness
from barhouse.model import Instrument
from barhouse.resilience import get_resilience_manager
from barhouse.store import executions, fetches, health, outcomes, quality, quotas, schedules, server
from barhouse.store.executions import Progress
from barhouse.store.health import Queue
from barhouse.store.incidents import listed_incidents
from barhouse.store.postgres import Database
from barhouse.store.schedules import Standing

DAY = timedelta(days=1)
WAITS = timedelta(minutes=10)
"""Work that waits for so long is waited for too long, or nobody is there to do it."""

SHOWN = 6
"""So many jobs that are under way are shown, and so many incidents."""

HEAVY = 8
"""So many tables are named."""

Severity = Literal["critical", "warning"]


@dataclass(frozen=True, slots=True)
class Reason:
    """Why not all is well, and what it is about: `schedules`, `alerts`, `freshness`, `jobs`, `quality`."""

    severity: Severity
    words: str
    about: str


@dataclass(frozen=True, slots=True)
class Now:
    """How the warehouse is at this moment."""

    reasons: Sequence[Reason]
    schedules: Standing
    jobs: Sequence[Mapping[str, Any]]
    """Those under way; the latest one where none is."""
    queue: Queue
    workers: int
    incidents: Sequence[Mapping[str, Any]]
    """Those that are not over, then those of a day that are."""
    freshness: Counter[Freshness]

    @property
    def status(self) -> Literal["healthy", "warning", "critical"]:
        """The worst of the reasons."""
        if not self.reasons:
            return "healthy"
        return "critical" if any(each.severity == "critical" for each in self.reasons) else "warning"


def now(db: Database, series: Sequence[Aged], at: datetime) -> Now:
    """How the warehouse is at an instant at which its series stand so."""
    incidents = listed_incidents(db, limit=50)
    with db.connection() as connection:
        stands, queue = schedules.standing(connection), health.waiting(connection)
        workers, wrong = health.workers(connection), health.anomalies(connection)
        active = outcomes.active(connection, SHOWN) or outcomes.page(connection, outcomes.Wanted(), 1)
    told = jobs.standings(db, active)
    counts = Counter(each.freshness for each in series)
    current = [each for each in incidents if each["status"] != "over"]
    reasons = [
        *_of_schedules(stands),
        *_of_incidents(current),
        *_of_series(counts),
        *_of_queue(queue, workers, at),
        *_of_anomalies(wrong),
    ]
    over = [each for each in incidents if each["over_at"] and each["over_at"] > at - DAY]
    known = [told[each] for each in active if each in told]
    reasons.sort(key=lambda each: each.severity)
    return Now(reasons, stands, known, queue, workers, [*current, *over][:SHOWN], counts)


class Seen(NamedTuple):
    """How all series and the whole warehouse stood, and when that was, by this process's clock."""

    series: Sequence[Aged]
    now: Now
    at: float


_seen: WeakKeyDictionary[Database, Seen] = WeakKeyDictionary()
_one_at_a_time = threading.Lock()


def seen(db: Database, at: datetime, *, age: float = 0.0) -> Seen:
    """How all stands, or stood up to `age` seconds ago: many who look on cost no more than one."""
    with _one_at_a_time:
        known = _seen.get(db)
        if known is None or time.monotonic() - known.at > age:
            series = condition.aged(db, at)
            known = _seen[db] = Seen(series, now(db, series, at), time.monotonic())
        return known


def _of_schedules(stands: Standing) -> Iterator[Reason]:
    if not stands.running:
        yield Reason(
            "critical", "No scheduler runs, so nothing is brought by itself; `barhouse up` starts one", "schedules"
        )
    if paused := [each.name for each in stands.schedules if each.paused_at and each.enabled]:
        yield Reason("warning", f"Paused: {', '.join(paused)}", "schedules")
    if stands.differs:
        yield Reason("warning", f"{len(stands.differs)} other processes have other settings", "schedules")


def _of_incidents(incidents: Sequence[Mapping[str, Any]]) -> Iterator[Reason]:
    for each in incidents:
        yield Reason(each["severity"], each["message"], "alerts")


def _of_series(counts: Mapping[Freshness, int]) -> Iterator[Reason]:
    kinds: tuple[tuple[Freshness, Severity, str], ...] = (
        (Freshness.FAILED, "critical", "whose last run failed"),
        (Freshness.OLD, "critical", "overdue for more than three sessions"),
        (Freshness.STALE, "warning", "overdue for more than six hours of market time"),
        (Freshness.UNKNOWN, "warning", "of an exchange whose calendar nobody knows"),
    )
    for freshness, severity, words in kinds:
        if count := counts[freshness]:
            yield Reason(severity, f"{count:,} series {words}", f"freshness:{freshness}")


def _of_queue(queue: Queue, workers: int, at: datetime) -> Iterator[Reason]:
    if queue.oldest and not workers:
        yield Reason("critical", f"{queue.waiting:,} series wait, and no worker runs", "jobs")
    elif queue.oldest and at - queue.oldest > WAITS:
        minutes = (at - queue.oldest) / timedelta(minutes=1)
        yield Reason("warning", f"{queue.waiting:,} series wait, the oldest for {minutes:,.0f} minutes", "jobs")


def _of_anomalies(wrong: Sequence[Mapping[str, Any]]) -> Iterator[Reason]:
    told = (each for each in wrong if each["anomaly_type"] != "stale")  # lateness has reasons of its own
    if critical := sum(each["count"] for each in told if each["severity"] == "critical"):
        yield Reason("warning", f"{critical:,} critical anomalies are open", "quality")


@dataclass(frozen=True, slots=True)
class Heat:
    """How fresh all series are: for each instrument its series by timeframe, the worst instruments first."""

    timeframes: Sequence[str]
    rows: Sequence[tuple[Instrument, Mapping[str, Aged]]]
    running: Mapping[tuple[str, str, str], Progress]


def heat(db: Database, series: Sequence[Aged], order: Sequence[str]) -> Heat:
    """The series as a map; timeframes in their `order`."""
    with db.connection() as connection:
        running = executions.under_way(connection)
    rows: dict[Instrument, dict[str, Aged]] = {}
    for each in series:
        rows.setdefault(each.instrument, {})[each.timeframe] = each
    used = {each.timeframe for each in series}
    ranks = {freshness: rank for rank, freshness in enumerate(Freshness)}
    worst = {one: min(ranks[each.freshness] for each in own.values()) for one, own in rows.items()}
    placed = sorted(rows.items(), key=lambda row: worst[row[0]])
    return Heat([name for name in order if name in used], placed, running)


def vendors(db: Database, at: datetime) -> list[dict[str, Any]]:
    """How each source fared in a day and stands now, by name.

    `source`, what `store.fetches.by_source` tells (absent where it was not asked), `quotas` as
    `store.quotas.standing` tells them, `breaker` (None where this process has not asked it), `in_a_row` failures.
    """
    breakers = {str(each["name"]): each for each in get_resilience_manager().get_status()["circuit_breakers"]}
    used = quotas.standing(db)
    with db.connection() as connection:
        asked = {each["source"]: each for each in fetches.by_source(connection, at - DAY)}
        in_a_row = {each.source: each.in_a_row for each in health.sources(connection, at)}
    names = sorted({*asked, *(each["source"] for each in used)})
    return [
        {
            "source": name,
            **asked.get(name, {}),
            "quotas": [each for each in used if each["source"] == name],
            "breaker": breakers.get(name),
            "in_a_row": in_a_row.get(name, 0),
        }
        for name in names
    ]


def trend(db: Database, days: int, at: datetime) -> list[dict[str, Any]]:
    """The quality of the last `days` over all instruments, oldest first, as `store.quality.trend` tells it."""
    with db.connection() as connection:
        return quality.trend(connection, (at - (days - 1) * DAY).date())


@dataclass(frozen=True, slots=True)
class Storage:
    """What the warehouse weighs, in bytes; the disk only where it is ours to watch."""

    version: str
    bytes: int
    tables: Sequence[tuple[str, int]]
    free: int | None
    total: int | None


def storage(db: Database, place: Path | None) -> Storage:
    """What the warehouse weighs, and what room is left at `place`."""
    with db.connection() as connection:
        state, tables = server.state(connection), server.sizes(connection, HEAVY)
    disk = shutil.disk_usage(place) if place else None
    return Storage(state.version, state.bytes, tables, disk.free if disk else None, disk.total if disk else None)
