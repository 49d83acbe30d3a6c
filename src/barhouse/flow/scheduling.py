"""What the schedules are by the settings, what each asks for when it fires, and when the next one comes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from apscheduler.triggers.cron import CronTrigger
from psycopg import Connection

from barhouse.config import Settings, schedule
from barhouse.flow import sessions
from barhouse.flow.jobs import requested
from barhouse.flow.plan import Wanted
from barhouse.model import Span, Timeframe
from barhouse.store import instruments, schedules
from barhouse.store.instruments import Tracked
from barhouse.store.jobs import Kind
from barhouse.store.postgres import Database
from barhouse.store.schedules import Arranged, Due, Name, Standing

log = structlog.get_logger()

ENRICHING = (Name.ENRICHMENT, Name.CRITICAL, Name.LARGE)
"""The schedules that enrich, and stand still together."""

ERRANDS = (Name.HEALTH, Name.RETENTION)
"""What the leader does itself, since it has to be done though all workers are gone, or brings no bars."""

RETENTION = "15 3 * * *"
"""When logs are pruned: after the night's work."""

EVERY = {Name.CRITICAL: timedelta(hours=1), Name.LARGE: timedelta(hours=4)}
"""How often the refresh classes are asked for; a market that was open in that time has something new."""

LONGEST = {Name.CRITICAL: Timeframe.H1, Name.LARGE: Timeframe.H4}
"""The longest bars that a class is refreshed in between; 02:00 brings all others."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A schedule: when it fires, unless it follows another one to its end."""

    name: Name
    cron: str
    fires: CronTrigger
    enabled: bool = True
    follows: Name | None = None

    def after(self, now: datetime) -> datetime | None:
        """When it fires next; None where it has no time of its own, or is off."""
        if not self.enabled or self.follows:
            return None
        return self.fires.get_next_fire_time(now, now + timedelta(microseconds=1))  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class Timetable:
    """All schedules, and which symbols come before others. With `symbols` nothing else is fetched."""

    entries: tuple[Entry, ...]
    classes: dict[str, str]
    symbols: frozenset[str] = frozenset()

    def entry(self, name: Name) -> Entry:
        """The schedule of that name."""
        return next(each for each in self.entries if each.name == name)

    def told(self) -> dict[str, Any]:
        """What two of them are compared by."""
        crons = {each.name.value: each.cron if each.enabled else "off" for each in self.entries}
        return crons | {"classes": dict(sorted(self.classes.items())), "symbols": sorted(self.symbols)}

    def arranged(self, now: datetime) -> list[Arranged]:
        """The schedules as the database keeps them."""
        return [Arranged(each.name, each.cron, each.enabled, each.follows, each.after(now)) for each in self.entries]


def timetable(settings: Settings) -> Timetable:
    """The schedules of these settings. With backfill and enrichment both on the latter follows the former."""
    daily = (settings.backfill_enabled, settings.backfill_schedule_hour, settings.backfill_schedule_minute)
    own = (settings.enrichment_enabled, settings.enrichment_schedule_hour, settings.enrichment_schedule_minute)
    follows = Name.BACKFILL if settings.backfill_enabled and settings.enrichment_enabled else None
    refreshed = settings.enrichment_enabled
    entries = (
        _entry(Name.BACKFILL, f"{daily[2]} {daily[1]} * * *", enabled=daily[0]),
        _entry(Name.ENRICHMENT, f"{own[2]} {own[1]} * * *", enabled=own[0], follows=follows),
        _entry(Name.CRITICAL, settings.critical_schedule, enabled=refreshed and bool(settings.critical_symbols)),
        _entry(Name.LARGE, settings.large_schedule, enabled=refreshed and bool(settings.large_symbols)),
        _entry(Name.HEALTH, settings.health_schedule, enabled=settings.health_enabled),
        _entry(Name.RETENTION, RETENTION),
    )
    large = dict.fromkeys(settings.large_symbols, Name.LARGE.value)
    return Timetable(entries, large | dict.fromkeys(settings.critical_symbols, Name.CRITICAL.value))


def _entry(name: Name, cron: str, *, enabled: bool = True, follows: Name | None = None) -> Entry:
    return Entry(name, cron, schedule(cron), enabled, follows)


def fire(db: Database, table: Timetable, due: Due, now: datetime, *, by: str) -> bool:
    """Fire a schedule whose time has come: it is moved on and its job is asked for, both or neither.

    False if somebody else has fired it. A paused one is moved on, and nothing is asked for.
    """
    wanted = [] if due.paused or due.name in ERRANDS else wanted_by(db, table, due.name, now)
    with db.transaction() as connection:
        if not schedules.advance(connection, due, table.entry(due.name).after(now)):
            return False
        if not due.paused:
            _fire(connection, due, wanted, now, by)
    if due.paused:
        log.info("schedule_passed_over", schedule=due.name.value, reason="paused")
    return True


def _fire(connection: Connection, due: Due, wanted: Sequence[Wanted], now: datetime, by: str) -> None:
    if due.name in ERRANDS:
        schedules.fire(connection, due.name, now, by, {"outcome": "begun"}, is_open=True)
        return
    if not wanted:
        schedules.fire(connection, due.name, now, by, {"outcome": "nothing", "series": 0})
        log.info("schedule_fired", schedule=due.name.value, series=0)
        return
    kind = Kind.BACKFILL if due.name is Name.BACKFILL else Kind.ENRICHMENT
    job = requested(connection, kind, wanted, by=f"schedule:{due.name}", fresh_since=due.after)
    shared = due.job_id is not None and job["job_id"] == str(due.job_id)
    result = {"outcome": "shared" if shared else "requested", "series": len(wanted)}
    schedules.fire(connection, due.name, now, by, result, job=job["job_id"])
    log.info("schedule_fired", schedule=due.name.value, job=job["job_id"], **result)


def wanted_by(db: Database, table: Timetable, name: Name, now: datetime) -> list[Wanted]:
    """The series that a schedule brings up to date when it fires `now`."""
    with db.connection() as connection:
        tracked = [each for each in instruments.tracked(connection) if each.since < now]
    if table.symbols:
        tracked = [each for each in tracked if each.series.instrument.symbol in table.symbols]
    if name in EVERY:
        tracked = _refreshed(db, table, name, tracked, now)
    return [Wanted(each.series, Span(each.since, now)) for each in tracked]


def _refreshed(db: Database, table: Timetable, name: Name, tracked: Sequence[Tracked], now: datetime) -> list[Tracked]:
    """Of a class the series with short bars whose market was open since such bars could be read last."""
    own = [each for each in tracked if table.classes.get(each.series.instrument.symbol) == name.value]
    short = [each for each in own if each.series.timeframe.minutes <= LONGEST[name].minutes]
    markets: dict[str, timedelta] = defaultdict(timedelta)
    for each in short:
        exchange = each.series.instrument.exchange
        markets[exchange] = max(markets[exchange], each.delay)
    # A run of theirs tells of those that no calendar is known of
    strange = sessions.unknown(db, markets)
    trading = {
        market
        for market, delay in markets.items()
        if market in strange or _traded(db, market, Span(now - EVERY[name] - delay, now))
    }
    return [each for each in short if each.series.instrument.exchange in trading]


def _traded(db: Database, exchange: str, lately: Span) -> bool:
    """Whether a market was open at any time in a span."""
    return not sessions.calendar(db, exchange).expected(Timeframe.M1, lately).is_empty()


def run_now(db: Database, table: Timetable, name: Name, *, by: str) -> None:
    """Fire a schedule out of its turn, paused or not; its next time stays. The leader does what are errands."""
    with db.transaction() as connection:
        now = schedules.clock(connection)
        if schedules.standing(connection).named(name) is None:
            schedules.arrange(connection, table.arranged(now), table.classes, now)
    wanted = [] if name in ERRANDS else wanted_by(db, table, name, now)
    with db.transaction() as connection:
        _fire(connection, Due(name, None, None, paused=False, job_id=None, after=None), wanted, now, by)


def standing(db: Database) -> Standing:
    """Who leads, and how all schedules stand."""
    with db.connection() as connection:
        return schedules.standing(connection)


def pause(db: Database, name: Name, by: str) -> list[str]:
    """Let a schedule fire no more until it is resumed; with `enrichment` all that enrich. Those not paused before."""
    with db.transaction() as connection:
        return schedules.pause(connection, _together(name), by)


def resume(db: Database, name: Name, by: str) -> list[str]:
    """Let a schedule go on; with `enrichment` all that enrich. Those that were paused."""
    with db.transaction() as connection:
        resumed = schedules.resume(connection, _together(name))
    log.info("schedules_resumed", schedules=resumed, by=by)
    return resumed


def _together(name: Name) -> Sequence[Name]:
    """The schedules that stand still with one."""
    return ENRICHING if name is Name.ENRICHMENT else (name,)


def pause_enrichment(db: Database, by: str) -> list[str]:
    """Let no scheduled enrichment begin until it is resumed; the schedules that were not paused before."""
    return pause(db, Name.ENRICHMENT, by)


def resume_enrichment(db: Database, by: str) -> list[str]:
    """Let scheduled enrichment go on; the schedules that were paused."""
    return resume(db, Name.ENRICHMENT, by)


def is_paused(stands: Standing) -> bool:
    """Whether scheduled enrichment is paused."""
    own = stands.named(Name.ENRICHMENT)
    return own is not None and own.paused_at is not None


def next_enrichment(stands: Standing) -> datetime | None:
    """When all is enriched next: with the next backfill where both are on; None while it is paused or off."""
    own = stands.named(Name.ENRICHMENT)
    if own is None or not own.enabled or own.paused_at:
        return None
    return own.next_fire_at
