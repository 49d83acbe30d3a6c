"""A run: a backfill with its books, so that others see how far it is, and go on where it was killed."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from datetime import UTC, datetime
from functools import partial
from math import inf
from time import monotonic
from uuid import UUID

import anyio
import structlog
from anyio.streams.memory import MemoryObjectReceiveStream
from psycopg import Connection

from barhouse.errors import BarhouseError, DatabaseUnavailable, UnknownCalendar
from barhouse.flow import books, sessions
from barhouse.flow.backfill import Outcome, Watch, backfill, first, nobody
from barhouse.flow.leases import alive, holds
from barhouse.flow.plan import Piece, Wanted, plan
from barhouse.flow.retries import again
from barhouse.flow.starts import AtOnce
from barhouse.flow.under_way import Run, Task
from barhouse.model import Series, merged
from barhouse.sources.base import Source
from barhouse.store import coverage, enrichment, executions, failures, quotas, runs
from barhouse.store.enrichment import Ended
from barhouse.store.executions import State
from barhouse.store.postgres import Database
from barhouse.store.runs import Status, Told
from barhouse.store.sources import delay

log = structlog.get_logger()

SETTLING = 5.0
"""Seconds between two looks at the instruments that are through."""

PATIENCE = 1.0
"""Seconds until it is tried again to get series that another run is at."""

NAMED = 3
"""So many errors are told of a run that ended with some."""

INTERRUPTED = "Ended in the midst of it; the next backfill of the series goes on there"

Watching = Callable[[Sequence[Piece]], AbstractContextManager[Watch]]
"""Shows the progress of some pieces."""


def unwatched(_: Sequence[Piece]) -> AbstractContextManager[Watch]:
    """Nobody looks."""
    return nullcontext(nobody)


async def bring(
    db: Database,
    sources: Mapping[str, Source],
    wanted: Sequence[Wanted],
    *,
    concurrency: AtOnce = 3,
    refresh: bool = False,
    watching: Watching = unwatched,
    task: Task | None = None,
    fresh_since: datetime | None = None,
    now: datetime | None = None,
) -> list[Outcome]:
    """Read and keep what is missing of what is wanted, with its books; what came of each series that missed something.

    Series that another run is at come last: when that one is through with them, or has given no sign of life for
    15 s, this one brings what is still missing. An error ends the run as failed, and is raised. With a `task` its
    executions are brought, but for those that another is at or through with; where an error ends it they are given
    back, unless it is a single one: that has failed, if there is a database to say so. What was read since
    `fresh_since` is not read again.
    """
    if not wanted:
        return []
    await anyio.to_thread.run_sync(_tell_delays, db, sources)
    if refresh and not task:
        await anyio.to_thread.run_sync(_reopen, db)
    run = await anyio.to_thread.run_sync(_begin, db, wanted, task, now or datetime.now(UTC))
    try:
        with alive(run):
            planned = partial(plan, db, sources, refresh=refresh, fresh_since=fresh_since)
            outcomes = await _all(run, planned, watching, concurrency)
    except BaseException as cause:
        with anyio.CancelScope(shield=True):
            ends = (_give_back, run) if _is_given_back(task, cause) else (_break_off, run, _reason(cause))
            await anyio.to_thread.run_sync(*ends)
        raise
    if task is None:
        await anyio.to_thread.run_sync(_end, run)
    return outcomes


def _tell_delays(db: Database, sources: Mapping[str, Source]) -> None:
    """What is due by now is counted in processes that know nothing of plans and their sources."""
    with db.connection() as connection:
        delay(connection, {source.name: source.delay for source in sources.values()})


def _reopen(db: Database) -> None:
    """Try keys again that vendors refused, as a job that reads all anew does."""
    with db.connection() as connection:
        quotas.reopen(connection)


def _begin(db: Database, wanted: Sequence[Wanted], task: Task | None, now: datetime) -> Run:
    began = datetime.now(UTC)
    of_series: dict[Series, list[Wanted]] = defaultdict(list)
    for each in wanted:
        of_series[each.series].append(each)
    if task:
        return Run(db, task.run, of_series, began, now, task)
    with db.transaction() as connection:
        runs.bury(connection)
        number = runs.begin(connection, began, len({each.series.instrument for each in wanted}))
    return Run(db, number, of_series, began, now)


async def _all(run: Run, planned: Callable[..., list[Piece]], watching: Watching, concurrency: AtOnce) -> list[Outcome]:
    """Bring all series, those that are free first."""
    outcomes: list[Outcome] = []
    while left := [series for series in run.wanted if series not in run.errors]:
        await anyio.sleep(run.pause(left))
        await anyio.to_thread.run_sync(_claim, run, left)
        if own := [series for series in left if series in run.claims]:
            strange = await anyio.to_thread.run_sync(_strange, run, own)
            asked = [each for series in own if series not in strange for each in run.wanted[series]]
            pieces = await anyio.to_thread.run_sync(planned, asked, run.now)
            brought = [*strange.values(), *await _bring(run, own, strange, pieces, watching, concurrency)]
            outcomes += [each for each in brought if each.series not in run.claims]  # those are tried again
        elif run.task:
            break
        else:
            log.info("waiting_for_another_run", series=len(left))
            await anyio.sleep(PATIENCE)
    return outcomes


def _claim(run: Run, left: Sequence[Series]) -> None:
    """Take what nobody is at, and end what dead workers left that nobody wants."""
    started = datetime.now(UTC)
    with run.db.transaction() as connection:
        active = _active(connection, run, left)
        claims = executions.claim(connection, active.values(), run=run.number)
        own = {series: claims[execution] for series, execution in active.items() if execution in claims}
        wished = {} if run.task else executions.wished(connection, claims)
        executions.bury(connection)
        runs.tell(connection, run.number, [Told(series, "in_progress", started_at=started) for series in own])
    run.claims.update(own)
    for series, claimed in own.items():
        if span := wished.get(claimed.execution_id):
            spans = merged([span, *(each.span for each in run.wanted[series])])
            run.wanted[series] = [Wanted(series, each) for each in spans]


def _active(connection: Connection, run: Run, left: Sequence[Series]) -> dict[Series, UUID]:
    """The executions by which series are brought."""
    if run.task is None:
        return executions.opened(connection, left)
    return {series: run.task.executions[series] for series in left}


def _strange(run: Run, own: Sequence[Series]) -> dict[Series, Outcome]:
    """The series that nobody can be asked for, since no calendar is known of their exchanges."""
    unknown = sessions.unknown(run.db, (series.instrument.exchange for series in own))
    return {
        series: Outcome(
            series,
            errors=[UnknownCalendar(series.instrument.exchange)],
            missing=[each.span for each in run.wanted[series]],
        )
        for series in own
        if series.instrument.exchange in unknown
    }


async def _bring(
    run: Run,
    own: Sequence[Series],
    strange: Mapping[Series, Outcome],
    pieces: Sequence[Piece],
    watching: Watching,
    concurrency: AtOnce,
) -> list[Outcome]:
    """Bring some series, and write down of each what came of it when it is through."""
    await anyio.to_thread.run_sync(_expect, run, own, pieces)
    busy = {piece.series for piece in pieces}
    send, receive = anyio.create_memory_object_stream[Outcome](inf)
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(_close_all, run, receive)
            with send, watching(pieces) as watch:
                for series in own:
                    if series not in busy:
                        send.send_nowait(strange.get(series) or Outcome(series))
                outcomes = await backfill(
                    run.db,
                    pieces,
                    concurrency=concurrency,
                    watch=watch,
                    done=send.send_nowait,
                    claims=dict(run.claims),
                    holds=partial(holds, run),
                    now=run.now,
                )
    except BaseExceptionGroup as failures:
        raise first(failures) from failures
    return outcomes


def _expect(run: Run, own: Iterable[Series], pieces: Iterable[Piece]) -> None:
    expected = Counter({run.claims[series].execution_id: 0 for series in own})
    for piece in pieces:
        expected[run.claims[piece.series].execution_id] += piece.expected
    with run.db.connection() as connection:
        executions.expect(connection, expected)


async def _close_all(run: Run, receive: MemoryObjectReceiveStream[Outcome]) -> None:
    """Write down the ends of series as they come, all together that are there."""
    async with receive:
        async for outcome in receive:
            outcomes = [outcome]
            with suppress(anyio.WouldBlock, anyio.EndOfStream):
                while True:
                    outcomes.append(receive.receive_nowait())
            await anyio.to_thread.run_sync(_close, run, outcomes)
    await anyio.to_thread.run_sync(_settle, run)


def _close(run: Run, outcomes: Sequence[Outcome]) -> None:
    before, now = run.through(), datetime.now(UTC)
    outcomes = again(run, outcomes)
    strangers = _strangers(run, outcomes)
    ends = [_end_of(run, outcome, strangers) for outcome in outcomes if not outcome.lost]
    claims = {outcome.series: run.claims.pop(outcome.series) for outcome in outcomes}
    with run.db.transaction() as connection:
        told = [(claims[each.series], each.state, each.error) for each in ends]
        ours = executions.finish(connection, told)
        own = {each.series: each for each in ends if each.execution in ours}
        run.errors.update({series: each.error for series, each in own.items()})
        through = {key: error for key, error in run.through().items() if key not in before}
        _write_down(connection, run, [each for each in outcomes if each.series in own], own, now)
        if run.task is None:
            failures.track(connection, {instrument: error is None for instrument, error in through.items()})
            runs.update(connection, run.number, run.totals())
    if run.task:
        for outcome in (each for each in outcomes if each.series in own):
            books.say(outcome, own[outcome.series].error)
    run.unsettled |= through.keys()
    if monotonic() - run.settled > SETTLING:
        _settle(run)


def _settle(run: Run) -> None:
    """Write down how the instruments stand that are through by now."""
    if run.unsettled:
        books.settle(run.db, run.unsettled, run.now)
    run.unsettled, run.settled = set(), monotonic()


def _end_of(run: Run, outcome: Outcome, strangers: Mapping[Series, str]) -> Ended:
    series = outcome.series
    until = max(each.span.end for each in run.wanted[series])
    error = strangers.get(series) or books.error(outcome)
    return Ended(series, run.claims[series].execution_id, until.date(), error)


def _strangers(run: Run, outcomes: Sequence[Outcome]) -> dict[Series, str]:
    """Why there is nothing of some series: a source does not know their symbols, and no other has ever had a bar."""
    barren = [outcome.series for outcome in outcomes if not (outcome.inserted or outcome.unchanged)]
    if not barren:
        return {}
    with run.db.connection() as connection:
        return coverage.strangers(connection, barren)


def _write_down(
    connection: Connection, run: Run, outcomes: Sequence[Outcome], ends: Mapping[Series, Ended], now: datetime
) -> None:
    """What came of series whose executions were still ours to end."""
    run.records += sum(fetch.fetched for outcome in outcomes for fetch in outcome.fetches)
    runs.tell(connection, run.number, [books.told(each, ends[each.series].error, now) for each in outcomes])
    failed = [(series, each.error) for series, each in ends.items() if each.error is not None]
    runs.fail(connection, run.number, failed)
    enrichment.resume(connection, list(ends.values()))


def _end(run: Run) -> None:
    totals = run.totals()
    status = Status.COMPLETED_WITH_ERRORS if totals.failed else Status.COMPLETED
    failed = [f"{series}: {error}" for series, error in run.errors.items() if error is not None]
    with run.db.connection() as connection:
        ended = Status.FAILED if totals.failed and not totals.successful else status
        runs.update(connection, run.number, totals, ended, datetime.now(UTC), "; ".join(failed[:NAMED]) or None)


def _break_off(run: Run, reason: str) -> None:
    """End what is left, so that nobody has to wait for the leases to run out."""
    now, left = datetime.now(UTC), dict(run.claims)
    try:
        with run.db.transaction() as connection:
            executions.finish(connection, [(claim, State.FAILED, reason) for claim in left.values()])
            runs.tell(connection, run.number, [Told(each, "failed", error=reason, completed_at=now) for each in left])
            if run.task is None:
                runs.update(connection, run.number, run.totals(), Status.FAILED, now, reason)
    except DatabaseUnavailable as error:
        log.warning("run_not_ended", run=str(run.number), error=str(error))


def _give_back(run: Run) -> None:
    """Let other workers go on with the task of one that is told to stop."""
    try:
        with run.db.connection() as connection:
            executions.release(connection, list(run.claims.values()))
    except DatabaseUnavailable as error:
        log.warning("task_not_given_back", run=str(run.number), error=str(error))


def _is_given_back(task: Task | None, cause: BaseException) -> bool:
    """Whether others go on with a task: it was told to stop, has no database, or it is not known whose error it was."""
    if task is None:
        return False
    return len(task.executions) > 1 or isinstance(cause, DatabaseUnavailable) or not isinstance(cause, Exception)


def _reason(cause: BaseException) -> str:
    if isinstance(cause, BarhouseError):
        return str(cause)
    return f"{type(cause).__name__}: {cause}" if isinstance(cause, Exception) else INTERRUPTED
