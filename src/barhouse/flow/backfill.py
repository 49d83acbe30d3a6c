"""A backfill: what is still to be read, brought from the sources and kept."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

import anyio
import structlog
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from barhouse.calendar import Calendar
from barhouse.errors import BarhouseError, DatabaseUnavailable, LeaseLost, SourceError
from barhouse.flow import sessions
from barhouse.flow.actions import learn
from barhouse.flow.answers import judge
from barhouse.flow.batch import Batch
from barhouse.flow.ingest import keep, note, note_outdone
from barhouse.flow.plan import Piece
from barhouse.flow.starts import AtOnce, Starts
from barhouse.model import EARLIEST, AssetClass, Series, Span, merged
from barhouse.sources import fallback
from barhouse.sources.base import Fetched, Source
from barhouse.store.coverage import State
from barhouse.store.executions import Claim, Step
from barhouse.store.fetches import Fetch
from barhouse.store.postgres import Database

log = structlog.get_logger()

TOGETHER = 10
"""Answers kept in one transaction at most: ten reach 0.95 of raw COPY, one 0.81 to 0.85."""

ENOUGH = 200_000
"""Bars that are worth a transaction however few answers they came in; more at a time only cost memory."""

LINGER = 0.2
"""Seconds that an answer waits for others: a transaction costs 55 ms, and 5 for each small answer in it."""

KEEPERS = 2
"""Transactions at a time: while one waits for PostgreSQL, the other computes."""


UNREAD = (State.FAILED, State.REFUSED, State.UNKNOWN)
"""What a source can come to that was asked: nothing is known of the span."""


@dataclass(slots=True)
class Outcome:
    """What a backfill of one series came to."""

    series: Series
    fetches: list[Fetch] = field(default_factory=list)
    errors: list[BarhouseError] = field(default_factory=list)
    """What its sources said, or why none of them could be asked."""
    missing: list[Span] = field(default_factory=list)
    """Spans that no source could be read for; the next backfill asks for them again."""
    lost: bool = False
    """Another worker took the series over: what is missing is that one's to bring."""

    @property
    def inserted(self) -> int:
        """Bars that are new."""
        return sum(fetch.inserted for fetch in self.fetches)

    @property
    def updated(self) -> int:
        """Bars that were restated."""
        return sum(fetch.updated for fetch in self.fetches)

    @property
    def unchanged(self) -> int:
        """Bars that were the same as those stored."""
        return sum(fetch.unchanged for fetch in self.fetches)

    @property
    def quarantined(self) -> int:
        """Rows that were no bars."""
        return sum(fetch.quarantined for fetch in self.fetches)


Watch = Callable[[Piece, Fetch | None], None]
"""Told of each piece that is done, and what was kept of it (None: nothing could be read)."""


def nobody(_piece: Piece, _fetch: Fetch | None) -> None:
    """Nobody watches."""


def unnoticed(_outcome: Outcome) -> None:
    """Nobody waits for the end of a series."""


async def backfill(
    db: Database,
    pieces: Sequence[Piece],
    *,
    concurrency: AtOnce = 3,
    watch: Watch = nobody,
    done: Callable[[Outcome], None] = unnoticed,
    claims: Mapping[Series, Claim] | None = None,
    holds: Callable[[Series], Awaitable[bool]] | None = None,
    now: datetime | None = None,
) -> list[Outcome]:
    """Read and keep `pieces`; what came of each series, by series.

    `concurrency` series are fetched at the same time; each answer is kept moments after it came, so that an
    interrupted backfill goes on where it stopped. A vendor's failure ends the piece, not the backfill. With `claims`
    on their executions series are kept only as long as these stand, and `holds` tells whether a vendor need be asked at
    all. `done` is told of each series at its end.
    """
    now = now or datetime.now(UTC)
    run = Run(db, {piece.series: Outcome(piece.series) for piece in pieces}, watch, done, claims or {}, holds, now)
    send, receive = anyio.create_memory_object_stream[Answer](TOGETHER)
    starts = Starts(concurrency) if isinstance(concurrency, int) else concurrency
    gathering = anyio.Lock()
    try:
        async with anyio.create_task_group() as group:
            for _ in range(KEEPERS):
                group.start_soon(_keep_all, run, receive.clone(), gathering)
            receive.close()
            group.start_soon(_read_all, run, pieces, send, starts)
    except BaseExceptionGroup as failures:
        raise first(failures) from failures
    return [run.outcomes[series] for series in sorted(run.outcomes)]


@dataclass(frozen=True, slots=True)
class Run:
    """A backfill under way."""

    db: Database
    outcomes: dict[Series, Outcome]
    watch: Watch
    done: Callable[[Outcome], None]
    claims: Mapping[Series, Claim]
    holds: Callable[[Series], Awaitable[bool]] | None
    now: datetime
    open: Counter[Series] = field(default_factory=Counter)
    """Of each series how much is still to be waited for: its reader, and its answers that are not kept yet."""

    def close(self, series: Series) -> None:
        """One thing less to wait for."""
        self.open[series] -= 1
        if not self.open[series]:
            self.done(self.outcomes[series])


Answer = tuple[Piece, Source, Fetched]


async def _read_all(run: Run, pieces: Sequence[Piece], send: MemoryObjectSendStream[Answer], starts: Starts) -> None:
    """Read every series, as many at once as may start."""
    of_series: dict[Series, list[Piece]] = defaultdict(list)
    for piece in pieces:
        of_series[piece.series].append(piece)
    async with send, anyio.create_task_group() as readers:
        for own in of_series.values():
            readers.start_soon(_read, run, own, send, starts)


async def _read(run: Run, pieces: Sequence[Piece], send: MemoryObjectSendStream[Answer], starts: Starts) -> None:
    """Read the pieces of one series, oldest first; with the first answer come the splits and dividends."""
    series = pieces[0].series
    calendar = await anyio.to_thread.run_sync(sessions.calendar, run.db, series.instrument.exchange)
    asked = series.instrument.asset_class is AssetClass.CRYPTO
    run.open[series] += 1
    async with starts:
        for piece in pieces:
            if run.holds and not await run.holds(series):
                run.outcomes[series].lost = True
            if run.outcomes[series].lost:
                break
            attempts = await fallback.fetch(piece.series, piece.span, calendar, piece.sources, run.now, judge(calendar))
            for attempt in attempts:
                if attempt.fetched is None:
                    await _fail(run, piece, calendar, attempt)
                    continue
                if attempt.outdone:
                    await anyio.to_thread.run_sync(note_outdone, run.db, attempt.fetched, run.claims.get(series))
                    continue
                source = next(each for each in piece.sources if each.name == attempt.source)
                fetched = attempt.fetched
                if not asked and fetched.bars.height:
                    asked = True
                    if not fetched.actions.height:
                        await _learn_actions(run, piece, source)
                run.open[series] += 1
                await send.send((piece, source, fetched))
            _account(run, piece, attempts)
    run.close(series)


async def _fail(run: Run, piece: Piece, calendar: Calendar, attempt: fallback.Attempt) -> None:
    """Write down that a source could not give a span, so that nobody takes it for empty."""
    claim = run.claims.get(piece.series)
    try:
        await anyio.to_thread.run_sync(note, run.db, piece.series, calendar, attempt, run.now, claim)
    except LeaseLost:
        run.outcomes[piece.series].lost = True
        return
    if attempt.error and attempt.state in UNREAD:
        run.outcomes[piece.series].errors.append(attempt.error)


def _account(run: Run, piece: Piece, attempts: Sequence[fallback.Attempt]) -> None:
    """What failed everywhere is missing; what no source reaches is not to be had, and not missing.

    Where a source was away, that another one has nothing says nothing.
    """
    failed = [attempt for attempt in attempts if attempt.state in UNREAD]
    read = [attempt for attempt in attempts if attempt.fetched and not attempt.outdone]
    answers, bars = [each.span for each in read], [each.span for each in read if each.state == State.FETCHED]
    others = [(each.span, bars if each.state == State.FAILED else answers) for each in failed]
    missing = merged(part for span, known in others for part in span.without(known))
    run.outcomes[piece.series].missing += missing
    if not read:
        run.watch(piece, None)


async def _learn_actions(run: Run, piece: Piece, source: Source) -> None:
    """All splits and dividends there ever were, before the first bars are kept: features see them from the start.

    Who gave the bars is asked first, then the others; what nobody tells, the next backfill asks for again.
    """
    instrument, ever = piece.series.instrument, Span(EARLIEST, run.now)
    for asked in (source, *(other for other in piece.sources if other is not source)):
        try:
            told = await asked.actions(piece.series, ever)
        except SourceError as error:
            log.warning("actions_unread", symbol=instrument.symbol, source=asked.name, error=str(error))
            run.outcomes[piece.series].errors.append(error)
        else:
            await anyio.to_thread.run_sync(learn, run.db, instrument, told, asked.name, ever)
            return


async def _keep_all(run: Run, receive: MemoryObjectReceiveStream[Answer], gathering: anyio.Lock) -> None:
    """Keep answers as they come, those that come shortly after each other together; one keeper gathers at a time."""
    async with receive:
        while answers := await _gathered(receive, gathering):
            for batch in _batches(answers):
                await _keep(run, batch)


async def _gathered(receive: MemoryObjectReceiveStream[Answer], gathering: anyio.Lock) -> list[Answer]:
    """The next answer and what follows it closely; nothing at the end."""
    answers: list[Answer] = []
    with suppress(anyio.EndOfStream), anyio.move_on_after(None) as waiting:
        async with gathering:
            while len(answers) < TOGETHER and sum(fetched.bars.height for _, _, fetched in answers) < ENOUGH:
                answers.append(await receive.receive())
                waiting.deadline = min(waiting.deadline, anyio.current_time() + LINGER)
    return answers


def _batches(answers: Iterable[Answer]) -> list[list[Answer]]:
    """Answers that fit into one transaction together: of one source and kind, each series once, in their order."""
    batches: dict[object, list[Answer]] = {}
    seen: dict[Series, int] = defaultdict(int)
    for piece, source, fetched in answers:
        instrument = piece.series.instrument
        kind = (source.name, piece.series.timeframe, instrument.asset_class, instrument.exchange, seen[piece.series])
        batches.setdefault(kind, []).append((piece, source, fetched))
        seen[piece.series] += 1
    return list(batches.values())


async def _keep(run: Run, answers: Sequence[Answer]) -> None:
    """Keep a batch; where others have taken series over, without these."""
    piece, source, _ = answers[0]
    calendar = sessions.calendar(run.db, piece.series.instrument.exchange)
    steps = {each[0].series.instrument.number: _step(run, each, calendar) for each in answers if _claimed(run, each)}
    batch = Batch([fetched for _, _, fetched in answers], calendar, source.delay, steps)
    try:
        kept = await anyio.to_thread.run_sync(keep, run.db, batch, run.now)
    except LeaseLost as loss:
        gone = [each for each in answers if _claimed(run, each) in loss.executions]
        for piece, _, _ in gone:
            run.outcomes[piece.series].lost = True
            run.close(piece.series)
        if left := [each for each in answers if _claimed(run, each) not in loss.executions]:
            await _keep(run, left)
        return
    for (piece, _, _), fetch in zip(answers, kept, strict=True):
        run.outcomes[piece.series].fetches.append(fetch)
        run.watch(piece, fetch)
        run.close(piece.series)


def _claimed(run: Run, answer: Answer) -> UUID | None:
    """The execution that an answer is for."""
    claim = run.claims.get(answer[0].series)
    return claim.execution_id if claim else None


def _step(run: Run, answer: Answer, calendar: Calendar) -> Step:
    """What an answer does for its execution: a part of a piece settles the bars of that part."""
    piece, _, fetched = answer
    whole = fetched.span == piece.span
    expected = piece.expected if whole else calendar.expected(piece.series.timeframe, fetched.span).height
    return Step(run.claims[piece.series], expected)


def first(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    """The failure that ended a task group, out of its wrappings: a database that went away before what came of that."""
    inner = (failures.subgroup(DatabaseUnavailable) or failures).exceptions[0]
    return first(inner) if isinstance(inner, BaseExceptionGroup) else inner
