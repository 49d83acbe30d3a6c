"""Runs of the schedulers: what they were to do, how the series in them fare, what failed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, overload
from uuid import UUID

from psycopg import Connection
from psycopg.rows import dict_row

from barhouse.errors import InvalidParameter
from barhouse.model import AssetClass, Instrument, Series, Timeframe
from barhouse.store import instruments
from barhouse.store.executions import LEASE, OWNER, known
from barhouse.store.postgres import Database
from barhouse.store.queries import queries

query = queries("runs")

FAILURES = 10
"""So many of the latest failures are told."""


class Status(StrEnum):
    """How a run stands."""

    RUNNING = "running"
    COMPLETED = "completed"
    COMPLETED_WITH_ERRORS = "completed_with_errors"
    FAILED = "failed"

    @classmethod
    def of(cls, name: str) -> Status:
        """The status called `name`; InvalidParameter (422) for any other."""
        try:
            return cls(name)
        except ValueError:
            raise InvalidParameter(f"status: {name!r} is none of {', '.join(cls)}") from None


STATES = ("pending", "in_progress", "completed", "failed", "retry", "skipped")
"""How a series in a run can stand."""


@dataclass(frozen=True, slots=True)
class Told:
    """How a series fares in a run."""

    series: Series
    status: str
    processed: int = 0
    inserted: int = 0
    features: int = 0
    error: str | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Totals:
    """What a run has come to so far."""

    successful: int = 0
    failed: int = 0
    records: int = 0


@overload
def zoned(moment: datetime) -> datetime: ...
@overload
def zoned(moment: None) -> None: ...
def zoned(moment: datetime | None) -> datetime | None:
    """The moment with its zone: what bears none is UTC, as `datetime.utcnow()` of old scripts is."""
    return moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment


def create_scheduler_execution_log(
    db: Database, started_at: datetime, total_symbols: int, status: str = "running"
) -> str:
    """The id of a run that begins, 36 characters."""
    with db.connection() as connection:
        return str(begin(connection, zoned(started_at), total_symbols, Status.of(status), owner=None))


def update_scheduler_execution_log(
    db: Database,
    execution_id: str,
    completed_at: datetime | None,
    successful_symbols: int,
    failed_symbols: int,
    total_records_processed: int,
    status: str = "completed",
    error_message: str | None = None,
) -> bool:
    """Whether the run is known, and has come to this now; one that has ended does not run again."""
    stands, totals = Status.of(status), Totals(successful_symbols, failed_symbols, total_records_processed)
    if (run := known(execution_id)) is None:
        return False
    with db.connection() as connection:
        return update(connection, run, totals, stands, zoned(completed_at), error_message)


def log_feature_computation_failure(
    db: Database,
    symbol: str,
    timeframe: str,
    error_message: str,
    execution_id: str | None = None,
    asset_class: str | None = None,
) -> bool:
    """Write down that the features of a series could not be computed; False for a run that nobody knows."""
    frame, run = Timeframe.of(timeframe), None if execution_id is None else known(execution_id)
    if execution_id is not None and run is None:
        return False
    kind = None if asset_class is None else AssetClass.of(asset_class)
    with db.transaction() as connection:
        series = Series(instruments.meant(connection, symbol, kind), frame)
        return fail(connection, run, [(series, error_message)]) == 1


def log_symbol_computation_status(
    db: Database,
    execution_id: str,
    symbol: str,
    asset_class: str,
    timeframe: str,
    status: str,
    records_processed: int = 0,
    records_inserted: int = 0,
    features_computed: int = 0,
    error_message: str | None = None,
    started_at: datetime | None = None,
    completed_at: datetime | None = None,
) -> bool:
    """Write down how a series fares in a run, in the place of what was known; False for a run that nobody knows."""
    if status not in STATES:
        raise InvalidParameter(f"status: {status!r} is none of {', '.join(STATES)}")
    series = Series(Instrument(symbol, AssetClass.of(asset_class)), Timeframe.of(timeframe))
    counts = (records_processed, records_inserted, features_computed)
    if (run := known(execution_id)) is None:
        return False
    with db.connection() as connection:
        told = Told(series, status, *counts, error_message, zoned(started_at), zoned(completed_at))
        return tell(connection, run, [told]) == 1


def get_scheduler_execution_history(db: Database, limit: int = 20) -> dict[str, Any]:
    """The latest runs, newest first, as `GET admin/scheduler/execution-history` tells them; 1 to 100 of them."""
    if not 1 <= limit <= 100:
        raise InvalidParameter(f"limit: {limit} is not within 1 to 100")
    with db.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
        return {"executions": cursor.execute(query.history, {"limit": limit}).fetchall()}


def last(connection: Connection) -> dict[str, Any] | None:
    """The latest run, running or not, and whether the last one that has `ended_badly`; None before the first."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query.last).fetchone()


def failures(connection: Connection) -> list[dict[str, Any]]:
    """What failed within 24 hours, newest first: `symbol, timeframe, error, failed_at`."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query.failures, {"limit": FAILURES}).fetchall()


def begin(
    connection: Connection, started: datetime, total: int, status: Status = Status.RUNNING, *, owner: str | None = OWNER
) -> UUID:
    """The id of a run that begins; one with an `owner` is dead when that gives no sign of life for `LEASE`."""
    told = {"started": started, "total": total, "status": status, "owner": owner, "lease": LEASE}
    [(run,)] = connection.execute(query.begin, told)
    return run  # type: ignore[no-any-return]


def update(
    connection: Connection,
    run: UUID,
    totals: Totals,
    status: Status = Status.RUNNING,
    completed: datetime | None = None,
    error: str | None = None,
) -> bool:
    """Write down what a run has come to; whether it is known and has not ended before."""
    told = {"successful": totals.successful, "failed": totals.failed, "records": totals.records, "run": run}
    told_of_it = told | {"status": status, "completed": completed, "error": error}
    return connection.execute(query.update, told_of_it).rowcount == 1


def beat(connection: Connection, run: UUID) -> None:
    """Give a sign of life for a run."""
    connection.execute(query.beat, {"run": run, "lease": LEASE})


def bury(connection: Connection) -> None:
    """Write down that runs have failed whose processes ended in the midst of them."""
    connection.execute(query.bury)


def fail(connection: Connection, run: UUID | None, failed: Sequence[tuple[Series, str]]) -> int:
    """Write down that some series failed, each with its error; how many were written."""
    told = _names([series for series, _ in failed]) | {"errors": [error for _, error in failed], "run": run}
    return connection.execute(query.fail, told).rowcount


def tell(connection: Connection, run: UUID, told: Sequence[Told]) -> int:
    """Write down how some series fare in a run; how many were written."""
    columns: dict[str, Any] = _names([each.series for each in told]) | {
        "run": run,
        "statuses": [each.status for each in told],
        "processed": [each.processed for each in told],
        "inserted": [each.inserted for each in told],
        "features": [each.features for each in told],
        "errors": [each.error for each in told],
        "starts": [each.started_at for each in told],
        "ends": [each.completed_at for each in told],
    }
    return connection.execute(query.tell, columns).rowcount


def _names(every: Sequence[Series]) -> dict[str, Any]:
    return {
        "symbols": [series.instrument.symbol for series in every],
        "classes": [series.instrument.asset_class for series in every],
        "timeframes": [series.timeframe for series in every],
    }
