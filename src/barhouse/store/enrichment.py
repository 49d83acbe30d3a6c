"""How each series and instrument stands after a run: resume points, and the state of the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import Connection
from psycopg.rows import dict_row

from barhouse.model import Series, Timeframe
from barhouse.store.executions import State
from barhouse.store.queries import queries

query = queries("enrichment")

DAY = timedelta(days=1).total_seconds()


class Status(StrEnum):
    """How an instrument stands, the first that is true of it."""

    ERROR = "error"
    NOT_ENRICHED = "not_enriched"
    STALE = "stale"
    WARNING = "warning"
    HEALTHY = "healthy"

    @classmethod
    def of(cls, error: str | None, bars: int, overdue: float, score: float | None) -> Status:
        """By the error of its last run, its settled bars, seconds of market time overdue, and mean quality."""
        if error is not None:
            return cls.ERROR
        if not bars:
            return cls.NOT_ENRICHED
        if overdue > 3 * DAY or (score is not None and score < 0.85):
            return cls.STALE
        return cls.WARNING if overdue >= DAY or (score is not None and score <= 0.9) else cls.HEALTHY


@dataclass(frozen=True, slots=True)
class Ended:
    """How the backfill of a series ended: the day up to which all was wanted, and its error if it failed."""

    series: Series
    execution: UUID
    until: date
    error: str | None

    @property
    def state(self) -> State:
        """What that means for its execution."""
        return State.COMPLETED if self.error is None else State.FAILED


class Kept(NamedTuple):
    """A series as its instrument is judged by it, if it `counts`: its newest settled bar, why its last run failed."""

    instrument: int
    exchange: str
    timeframe: Timeframe
    tracked: bool
    counts: bool
    newest: datetime | None
    error: str | None
    delay: timedelta | None
    """How long after its close the source of that bar has one."""


class Held(NamedTuple):
    """The settled bars of an instrument: how many, their mean quality, percent of them validated."""

    bars: int
    score: float | None
    rate: float | None


@dataclass(frozen=True, slots=True)
class Standing:
    """How an instrument stands: seconds by which its latest series is overdue, age of its newest bar, last error."""

    overdue: float
    age: float | None
    error: str | None


def resume(connection: Connection, ended: Sequence[Ended]) -> None:
    """Write down from where some series go on."""
    told = {
        "symbols": [each.series.instrument.symbol for each in ended],
        "classes": [each.series.instrument.asset_class for each in ended],
        "timeframes": [each.series.timeframe for each in ended],
        "executions": [each.execution for each in ended],
        "statuses": [each.state for each in ended],
        "untils": [each.until for each in ended],
        "errors": [each.error for each in ended],
    }
    connection.execute(query.resume, told)


def series(connection: Connection, instruments: Sequence[int]) -> list[Kept]:
    """The series of some instruments, by exchange and timeframe."""
    rows = connection.execute(query.series, {"instruments": list(instruments)})
    return [Kept(key, exchange, Timeframe.of(name), *rest) for key, exchange, name, *rest in rows]


def held(connection: Connection, instruments: Sequence[int]) -> dict[int, Held]:
    """What some instruments hold; reads all their bars."""
    rows = connection.execute(query.held, {"instruments": list(instruments)})
    return {key: Held(*rest) for key, *rest in rows}


def keep(connection: Connection, standings: dict[int, tuple[Standing, Held]]) -> None:
    """Write down how some instruments stand."""
    told = {
        "instruments": list(standings),
        "statuses": [Status.of(each.error, own.bars, each.overdue, own.score) for each, own in standings.values()],
        "ages": [each.age for each, _ in standings.values()],
        "bars": [own.bars for _, own in standings.values()],
        "scores": [own.score for _, own in standings.values()],
        "rates": [own.rate for _, own in standings.values()],
        "errors": [each.error for each, _ in standings.values()],
    }
    connection.execute(query.keep, told)


def kept(connection: Connection, instrument: int) -> dict[str, Any]:
    """How an instrument stood when a run of its ended last.

    `records_available, quality_score, validation_rate, last_enrichment_time, timeframes_available`
    """
    with connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(query.kept, {"instrument": instrument}).fetchone()
    assert row is not None  # noqa: S101
    return row
