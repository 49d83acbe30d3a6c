"""Jobs: what users and schedules asked for, each with a task a series; how they stand is derived from executions."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import Connection
from psycopg.rows import dict_row

from barhouse.model import AssetClass, Instrument, Series, Span, Timeframe
from barhouse.store import failures
from barhouse.store.queries import queries

query = queries("jobs")


class Kind(StrEnum):
    """What a job is for."""

    BACKFILL = "backfill"
    ENRICHMENT = "enrichment"


@dataclass(frozen=True, slots=True)
class Task:
    """What an execution is to bring, in the books of which run."""

    execution: UUID
    series: Series
    span: Span
    refresh: bool
    fresh_since: datetime | None
    """What was read since then need not be read again."""
    run: UUID


class Ended(NamedTuple):
    """A job that has just ended, and how its run did."""

    job: UUID
    kind: str
    status: str
    successful: int
    failed: int
    records: int


def want(
    connection: Connection, spans: Mapping[UUID, Span], *, refresh: bool, fresh_since: datetime | None = None
) -> None:
    """Say what executions are to bring; those under way stay as they are.

    What was read since `fresh_since` they need not read again, unless others want them to.
    """
    connection.execute(query.want, _told(spans, refresh=refresh) | {"fresh": fresh_since})


def narrower(connection: Connection, spans: Mapping[UUID, Span], *, refresh: bool) -> list[tuple[str, str]]:
    """The symbols and timeframes of executions under way that do not bring all of what is asked for."""
    rows = connection.execute(query.narrower, _told(spans, refresh=refresh))
    return [(symbol, timeframe) for symbol, timeframe, *_ in rows]


def _told(spans: Mapping[UUID, Span], *, refresh: bool) -> dict[str, Any]:
    starts, ends = [span.start for span in spans.values()], [span.end for span in spans.values()]
    return {"executions": list(spans), "starts": starts, "ends": ends, "refresh": refresh}


def holding(connection: Connection, executions: Collection[UUID]) -> UUID | None:
    """The unfinished job that has all of these active executions, None if there is none."""
    row = connection.execute(query.holding, {"executions": list(executions)}).fetchone()
    return row[0] if row else None


def begin(connection: Connection, kind: Kind, executions: Collection[UUID], *, by: str, run: UUID) -> UUID:
    """A job of these executions, asked for by somebody, that appears as a run."""
    [(job,)] = connection.execute(query.begin, {"kind": kind, "by": by, "run": run}).fetchall()
    connection.execute(query.add, {"job": job, "executions": list(executions)})
    return UUID(str(job))


def standing(connection: Connection, job: UUID) -> dict[str, Any] | None:
    """How a job stands, None if there is none of that id."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query.standing, {"job": job}).fetchone()


def tasks(connection: Connection, job: UUID) -> list[dict[str, Any]]:
    """How the tasks of a job stand, by symbol."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query.tasks, {"job": job}).fetchall()


def recent(connection: Connection, kind: Kind | None, limit: int) -> list[dict[str, Any]]:
    """How the latest jobs stand, newest first."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query.recent, {"kind": kind, "limit": limit}).fetchall()


def together(connection: Connection, execution: UUID, limit: int) -> list[Task]:
    """What there is to do for an execution, and for those of its job that wait behind it: `limit` at most.

    Nothing if it is through.
    """
    rows = connection.execute(query.together, {"execution": execution, "limit": limit})
    return [
        Task(number, _series(*named), Span(start, end), refresh, fresh_since, run)
        for number, *named, start, end, refresh, fresh_since, run in rows
    ]


def book(connection: Connection, executions: Collection[UUID]) -> list[Ended]:
    """Write down what the jobs that want some executions have come to; once, however often it is done.

    The jobs that have come to their end by that.
    """
    runs = [run for (run,) in connection.execute(query.lock, {"executions": list(executions)})]
    rows = connection.execute(query.count, {"runs": runs}).fetchall()
    if rows:
        failures.track(connection, {Instrument(symbol, AssetClass(kind)): fine for symbol, kind, fine in rows})
    return [Ended(*row) for row in connection.execute(query.book, {"runs": runs}) if row[2] != "running"]


def unbooked(connection: Connection) -> list[UUID]:
    """An execution of each job that is through while its run is not: its last worker died before it booked."""
    return [execution for (execution,) in connection.execute(query.unbooked)]


def cancel(connection: Connection, job: UUID) -> Sequence[UUID]:
    """End what is left of a job, but for what other jobs want too; the executions that were ended."""
    return [execution for (execution,) in connection.execute(query.cancel, {"job": job})]


def failed(connection: Connection, job: UUID) -> list[tuple[Series, Span]]:
    """What failed of a job, and the span that was wanted of it."""
    rows = connection.execute(query.failed, {"job": job})
    return [(_series(*named), Span(start, end)) for *named, start, end in rows]


def pace(connection: Connection) -> float | None:
    """Seconds that a bar took lately; None where none was brought yet."""
    row = connection.execute(query.pace).fetchone()
    return row[0] if row else None


def _series(key: int, symbol: str, asset_class: str, exchange: str, timeframe: str) -> Series:
    return Series(Instrument(symbol, AssetClass(asset_class), exchange, key), Timeframe.of(timeframe))
