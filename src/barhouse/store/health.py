"""The signs by which a health run judges, and what it saw."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row, dict_row

from barhouse.model import AssetClass, Instrument, Series, Timeframe
from barhouse.store.failures import ALARMING
from barhouse.store.queries import queries

query = queries("health")

DAY = timedelta(days=1)
SILENCE = timedelta(seconds=30)
"""A worker that gives no sign of life for so long is taken to be gone; they give one every ten seconds."""


class Newest(NamedTuple):
    """A series with its newest settled bar, and whether it is kept up to date."""

    series: Series
    time: datetime
    tracked: bool
    delay: timedelta
    """How long after its close its source has a bar."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A source that was asked within a day: failures in a row, of how many symbols, the latest error."""

    source: str
    in_a_row: int
    symbols: int
    error: str | None
    error_class: str | None = None


@dataclass(frozen=True, slots=True)
class Queue:
    """Executions that wait, since when the oldest does; when a backfill of what is tracked succeeded last.

    Before the first one that is when the first series was tracked; None where nothing is.
    """

    waiting: int
    oldest: datetime | None
    succeeded: datetime | None


def newest(connection: Connection) -> list[Newest]:
    """Every series of active instruments that has a settled bar, by exchange and timeframe."""
    return [
        Newest(Series(Instrument(symbol, AssetClass(kind), exchange, key), Timeframe.of(name)), time, tracked, delay)
        for key, symbol, kind, exchange, name, time, tracked, delay in connection.execute(query.newest)
    ]


def sources(connection: Connection, now: datetime) -> list[Asked]:
    """How the sources fare that were asked within a day."""
    with connection.cursor(row_factory=class_row(Asked)) as cursor:
        return cursor.execute(query.sources, {"since": now - DAY}).fetchall()


def lately_down(connection: Connection, now: datetime) -> set[str]:
    """The sources with an incident of theirs within a day."""
    return {row[0] for row in connection.execute(query.lately_down, {"since": now - DAY})}


def suffering(connection: Connection, down: Collection[str], now: datetime) -> dict[tuple[str, str], str]:
    """The symbols, each with its class, whose latest fetch failed at one of these sources, and at which."""
    rows = connection.execute(query.suffering, {"since": now - DAY, "down": list(down)})
    return {(symbol, kind): source for symbol, kind, source in rows}


def rates(
    connection: Connection, down: Collection[str], since: Mapping[str, datetime]
) -> list[tuple[str, float | None, int]]:
    """The rates that rules judge: rule, value, events; without what comes of sources that are or were down.

    `since` says of `fetch_success`, `compute_success` and `mean_quality` how far back they look.
    """
    return connection.execute(query.rates, {**since, "down": list(down)}).fetchall()


def failing(connection: Connection) -> list[dict[str, Any]]:
    """The symbols with three failures in a row or more, the worst first."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query.failing, {"alarming": ALARMING}).fetchall()


def anomalies(connection: Connection) -> list[dict[str, Any]]:
    """What is wrong by now: `anomaly_type, severity, count`."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query.anomalies).fetchall()


def waiting(connection: Connection) -> Queue:
    """How long work waits, and how long none has succeeded."""
    with connection.cursor(row_factory=class_row(Queue)) as cursor:
        return cursor.execute(query.queue).fetchone() or Queue(0, None, None)


def workers(connection: Connection) -> int:
    """How many workers have shown within half a minute that they live."""
    [(count,)] = connection.execute(query.workers, {"silence": SILENCE})
    return int(count)


def is_busy(connection: Connection) -> bool:
    """Whether any backfill waits or runs."""
    [(busy,)] = connection.execute(query.busy)
    return bool(busy)


def keep(connection: Connection, seen: Mapping[str, Any]) -> None:
    """Keep what a health run saw."""
    details = json.dumps(seen["details"], default=str)
    connection.execute(query.keep, {**seen, "details": details})


def history(connection: Connection, limit: int) -> Sequence[dict[str, Any]]:
    """The latest health runs, newest first."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query.history, {"limit": limit}).fetchall()
