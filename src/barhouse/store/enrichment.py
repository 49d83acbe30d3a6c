"""How each series and instrument stands after a run: resume points, and the state of the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from psycopg import Connection

from barhouse.model import Series, Timeframe
from barhouse.store.executions import State
from barhouse.store.queries import queries

query = queries("enrichment")


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


@dataclass(frozen=True, slots=True)
class Standing:
    """How an instrument stands: seconds by which its latest series is overdue, age of its newest bar, last error."""

    instrument: int
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


def newest(connection: Connection, instruments: Sequence[int]) -> list[tuple[int, str, Timeframe, datetime]]:
    """The newest settled bar of each series of some instruments: instrument, exchange, timeframe, time."""
    rows = connection.execute(query.newest, {"instruments": list(instruments)})
    return [(key, exchange, Timeframe.of(name), time) for key, exchange, name, time in rows]


def judge(connection: Connection, standings: Sequence[Standing]) -> None:
    """Write down how some instruments stand; reads all their bars."""
    told = {
        "instruments": [each.instrument for each in standings],
        "overdue": [each.overdue for each in standings],
        "ages": [each.age for each in standings],
        "errors": [each.error for each in standings],
    }
    connection.execute(query.judge, told)
