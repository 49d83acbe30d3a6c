"""How instruments stand by now: how late their series are, how old their newest bar is, how their last run ended."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import groupby

import polars as pl
from psycopg import Connection

from barhouse import checks
from barhouse.checks.staleness import VERY_LATE
from barhouse.flow import sessions
from barhouse.flow.judging import LATE
from barhouse.model import Instrument
from barhouse.store import enrichment, instruments
from barhouse.store.enrichment import Kept, Standing
from barhouse.store.postgres import Database


def standings(db: Database, connection: Connection, instruments: Sequence[int], now: datetime) -> dict[int, Standing]:
    """How each of some instruments stands; its latest series says how late it is, in market time.

    One whose calendar nobody knows has that for its error.
    """
    rows = enrichment.series(connection, instruments)
    strange = sessions.unknown(db, (row.exchange for row in rows))
    late, closes = dict.fromkeys(instruments, 0.0), dict[int, datetime]()
    for row, close, overdue in _timed(db, [row for row in rows if row.exchange not in strange], now):
        closes[row.instrument] = max(close, closes.get(row.instrument, close))
        if row.counts:
            late[row.instrument] = max(overdue, late[row.instrument])
    errors = {row.instrument: row.error for row in rows if row.counts and row.error is not None}
    errors |= {row.instrument: strange[row.exchange] for row in rows if row.exchange in strange}
    ages = {key: (now - close).total_seconds() for key, close in closes.items()}
    return {key: Standing(late[key], ages.get(key), errors.get(key)) for key in instruments}


def _timed(db: Database, rows: Iterable[Kept], now: datetime) -> Iterable[tuple[Kept, datetime, float]]:
    """The series that have a bar, with the close of the newest and by how many seconds the next one is overdue."""
    for (exchange, timeframe), group in groupby(rows, key=lambda row: (row.exchange, row.timeframe)):
        own = {row.instrument: row for row in group if row.newest}
        calendar = sessions.calendar(db, exchange)
        times = [(key, row.newest, row.delay) for key, row in own.items()]
        bars = pl.DataFrame(times, schema=checks.NEWEST, orient="row")
        located = calendar.located(bars, timeframe).select(*checks.NEWEST, "closes")
        stale = checks.overdue(located, calendar=calendar, timeframe=timeframe, now=now)
        overdue = dict(stale.select("instrument", "overdue_seconds").iter_rows())
        for key, close in located.select("instrument", "closes").iter_rows():
            yield own[key], close, overdue.get(key, 0.0)


class Freshness(StrEnum):
    """How a series stands, the worst first; the first that is true of it."""

    FAILED = "failed"
    """Its last run failed."""
    UNKNOWN = "unknown"
    """Nobody knows the calendar of its exchange, so nobody can tell what is due."""
    OLD = "old"
    """Overdue for more than three sessions."""
    STALE = "stale"
    """Overdue for more than six hours of market time."""
    ABSENT = "absent"
    """Wanted, and no bar is there yet."""
    LATE = "late"
    """Overdue, but not for long."""
    FRESH = "fresh"
    """All that is due is there."""
    IDLE = "idle"
    """Stored, and not kept up to date."""


@dataclass(frozen=True, slots=True)
class Aged:
    """A series as it stands: when its newest bar ended, seconds of market time since the next was due, its error."""

    instrument: Instrument
    timeframe: str
    freshness: Freshness
    newest: datetime | None
    overdue: float
    error: str | None


def aged(db: Database, now: datetime) -> list[Aged]:
    """Every series of the active instruments that are tracked, or have bars; by symbol and timeframe."""
    with db.connection() as connection:
        active = {each.number: each for each in instruments.watched(connection)}
        rows = enrichment.series(connection, list(active))
    strange = sessions.unknown(db, (row.exchange for row in rows))
    judged = {
        row: (close, late) for row, close, late in _timed(db, [r for r in rows if r.exchange not in strange], now)
    }
    found = [_aged(active[row.instrument], row, *judged.get(row, (row.newest, 0.0)), strange) for row in rows]
    return sorted(found, key=lambda each: (each.instrument.symbol, each.instrument.asset_class))


def _aged(
    instrument: Instrument, row: Kept, close: datetime | None, overdue: float, strange: Mapping[str, str]
) -> Aged:
    error = row.error or strange.get(row.exchange)
    return Aged(instrument, row.timeframe, _freshness(row, overdue, strange), close, overdue, error)


def _freshness(row: Kept, overdue: float, strange: Collection[str]) -> Freshness:
    if not row.tracked:
        return Freshness.IDLE
    if row.error is not None:
        return Freshness.FAILED
    if row.exchange in strange:
        return Freshness.UNKNOWN
    if row.newest is None:
        return Freshness.ABSENT
    if overdue <= LATE:
        return Freshness.LATE if overdue else Freshness.FRESH
    return Freshness.OLD if overdue > VERY_LATE.total_seconds() else Freshness.STALE
