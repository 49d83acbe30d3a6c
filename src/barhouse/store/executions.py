"""Executions: who brings which series at the moment, by which lease, and what came of it."""

from __future__ import annotations

import os
import socket
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import Connection
from psycopg.rows import dict_row

from barhouse.errors import InvalidParameter, LeaseLost
from barhouse.model import AssetClass, Instrument, Series, Span, Timeframe
from barhouse.store.fetches import Fetch
from barhouse.store.postgres import Database
from barhouse.store.queries import queries

query = queries("executions")

LEASE = timedelta(seconds=15)
"""So long an execution is its worker's, by the database's clock, since that last gave a sign of life."""
BEAT = timedelta(seconds=5)
"""How often a worker gives one."""

OWNER = f"{socket.gethostname()}:{os.getpid()}"
"""How this process is named as the worker of an execution."""


class State(StrEnum):
    """pending → in_progress → completed | failed; a finished one never goes back."""

    PENDING = "pending"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    FAILED = "failed"

    @classmethod
    def of(cls, name: str) -> State:
        """The state called `name`; InvalidParameter (422) for any other."""
        try:
            return cls(name)
        except ValueError:
            raise InvalidParameter(f"status: {name!r} is none of {', '.join(cls)}") from None


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to write for an execution; it stands until another worker is given a token of its own."""

    execution_id: UUID
    token: UUID


@dataclass(frozen=True, slots=True)
class Step:
    """What a transaction does for an execution: the claim it stands on, and how many expected bars it settles."""

    claim: Claim
    expected: int


class Progress(NamedTuple):
    """How far an execution has come, in bars that ought to be there."""

    done: int
    expected: int


def create_backfill_state(
    db: Database, symbol: str, asset_class: str = "stock", timeframe: str = "1d", status: str = "pending"
) -> str:
    """The id of the active execution of a series, which is made with this `status` if there is none.

    36 characters. However many ask at the same time, they get the same one. InvalidTimeframe and InvalidAssetClass
    (400), InvalidParameter (422).
    """
    if not symbol.strip():
        raise InvalidParameter("symbol: this is none")
    series = Series(Instrument(symbol, AssetClass.of(asset_class)), Timeframe.of(timeframe))
    state = State.of(status)
    with db.connection() as connection:
        made = _created(connection, series) if state is State.PENDING else None
        return str(made or opened(connection, [series], state)[series])


def _created(connection: Connection, series: Series) -> UUID | None:
    """The short way for a series without an active execution; None if it has one."""
    names = {"symbol": series.instrument.symbol, "asset_class": series.instrument.asset_class}
    row = connection.execute(query.create, {**names, "timeframe": series.timeframe}).fetchone()
    return row[0] if row else None


def update_backfill_state(
    db: Database,
    execution_id: str,
    status: str,
    records_inserted: int | None = None,
    error_message: str | None = None,
    retry_count: int | None = None,
) -> bool:
    """Whether the execution is known and was not finished yet; then it has this `status`, and what else is told.

    `in_progress` sets when it started; `completed` and `failed` set when it ended, for good.
    """
    told = {"status": State.of(status), "records": records_inserted, "error": error_message, "retries": retry_count}
    if (execution := known(execution_id)) is None:
        return False
    with db.connection() as connection:
        return connection.execute(query.update, told | {"execution": execution, "lease": LEASE}).rowcount == 1


def get_active_backfill_states(db: Database) -> list[dict[str, Any]]:
    """The executions in progress, oldest first.

    `execution_id, symbol, asset_class, timeframe, status, started_at, retry_count, max_retries`
    """
    with db.connection() as connection:
        return _rows(connection, query.active)


def known(execution_id: str) -> UUID | None:
    """An id as the database bears it; None for what no id ever looks like."""
    try:
        return UUID(execution_id)
    except (ValueError, AttributeError, TypeError):
        return None


def under_way(connection: Connection) -> dict[tuple[str, str, str], Progress]:
    """How far the executions are at which a living worker is, by symbol, asset class and timeframe."""
    rows = connection.execute(query.under_way)
    return {(symbol, kind, timeframe): Progress(*told) for symbol, kind, timeframe, *told in rows}


def opened(connection: Connection, wanted: Collection[Series], status: State = State.PENDING) -> dict[Series, UUID]:
    """The active execution of each series; those that have none get one."""
    named = {(each.instrument.symbol, each.instrument.asset_class, each.timeframe): each for each in wanted}
    ids: dict[Series, UUID] = {}
    # One that another transaction has just made can be seen by the next statement only
    while left := [name for name, series in named.items() if series not in ids]:
        symbols, classes, timeframes = map(list, zip(*left, strict=True))
        told = {"symbols": symbols, "classes": classes, "timeframes": timeframes, "status": status, "lease": LEASE}
        for *name, execution in connection.execute(query.open, told):
            ids[named[tuple(name)]] = execution
    return ids


def claim(
    connection: Connection, executions: Iterable[UUID], *, owner: str = OWNER, run: UUID | None = None
) -> dict[UUID, Claim]:
    """Claims on those of some executions that are pending, or whose worker's lease ran out.

    A takeover counts as a retry; beyond `max_retries` the execution is failed, and nobody gets it.
    """
    told = {"executions": list(executions), "owner": owner, "run": run, "lease": LEASE}
    return {execution: Claim(execution, token) for execution, token in connection.execute(query.claim, told)}


def wished(connection: Connection, executions: Iterable[UUID]) -> dict[UUID, Span]:
    """What jobs want of some executions, where they do."""
    rows = connection.execute(query.wished, {"executions": list(executions)})
    return {execution: Span(start, end) for execution, start, end in rows}


def holds(connection: Connection, execution_id: UUID, token: UUID) -> bool:
    """Whether the execution still is of the worker with this token; then it stays so until the transaction ends."""
    return not lost(connection, [Claim(execution_id, token)])


def lost(connection: Connection, claims: Collection[Claim]) -> set[UUID]:
    """The executions whose claims stand no more; the others cannot be taken over until the transaction ends."""
    if not claims:
        return set()
    held = {execution for (execution,) in connection.execute(query.hold, _told(claims))}
    return {each.execution_id for each in claims} - held


def check(connection: Connection, steps: Collection[Step]) -> None:
    """See to it that no other worker writes for these executions until the transaction ends; LeaseLost if one may."""
    if gone := lost(connection, [step.claim for step in steps]):
        raise LeaseLost(gone)


def beat(connection: Connection, claims: Collection[Claim]) -> set[UUID]:
    """Give a sign of life for some executions; those that others have taken over or ended."""
    return {execution for (execution,) in connection.execute(query.beat, _told(claims) | {"lease": LEASE})}


def expect(connection: Connection, expected: Mapping[UUID, int]) -> None:
    """Write down how many bars some executions are to bring."""
    connection.execute(query.expect, {"executions": list(expected), "expected": list(expected.values())})


def advance(connection: Connection, done: Sequence[tuple[Step, Fetch]]) -> None:
    """Write down what was kept for some executions, in the transaction that keeps it and has checked them."""
    if not done:
        return
    told = {
        "executions": [step.claim.execution_id for step, _ in done],
        "inserted": [fetch.inserted for _, fetch in done],
        "updated": [fetch.updated for _, fetch in done],
        "done": [step.expected for step, _ in done],
    }
    connection.execute(query.advance, told | {"lease": LEASE})


def finish(connection: Connection, ends: Sequence[tuple[Claim, State, str | None]]) -> set[UUID]:
    """End executions, each with its error if it failed; those that were still ours to end."""
    told = _told([each for each, _, _ in ends])
    told |= {"statuses": [state for _, state, _ in ends], "errors": [error for _, _, error in ends]}
    return {execution for (execution,) in connection.execute(query.finish, told)}


def again(connection: Connection, failed: Sequence[tuple[Claim, str]]) -> set[UUID]:
    """Keep executions that failed, each with its error, for another try; those that allow one more."""
    told = _told([claim for claim, _ in failed]) | {"errors": [error for _, error in failed], "lease": LEASE}
    return {execution for (execution,) in connection.execute(query.again, told)}


def release(connection: Connection, claims: Collection[Claim]) -> None:
    """Give executions back that were not brought to their end, for other workers to go on with."""
    connection.execute(query.release, _told(claims))


def orphan(connection: Connection) -> None:
    """Give back all executions in hand: in a copy of the warehouse nobody is at them."""
    connection.execute(query.orphan)


def bury(connection: Connection) -> None:
    """Fail the executions of runs that ended in the midst of them, where nobody took them over and no job wants it."""
    connection.execute(query.bury)


def _told(claims: Collection[Claim]) -> dict[str, Any]:
    return {"executions": [each.execution_id for each in claims], "tokens": [each.token for each in claims]}


def _rows(connection: Connection, statement: bytes) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(statement).fetchall()
