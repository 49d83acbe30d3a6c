"""What a backfill still has to read: all that is wanted, less what was read already."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from barhouse.calendar import Calendar
from barhouse.errors import SettingsError
from barhouse.flow import sessions
from barhouse.flow.batch import revisit
from barhouse.model import AssetClass, Series, Span, merged
from barhouse.sources.base import Source
from barhouse.sources.order import ORDER
from barhouse.store import coverage
from barhouse.store.coverage import State, Stretch
from barhouse.store.postgres import Database


@dataclass(frozen=True, slots=True)
class Wanted:
    """A series and the span in which its bars are wanted."""

    series: Series
    span: Span


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a series that is still to be read, and who can be asked for it, in that order."""

    series: Series
    span: Span
    sources: tuple[Source, ...]
    expected: int
    """Bars that ought to be there."""


def plan(
    db: Database,
    sources: Mapping[str, Source],
    wanted: Iterable[Wanted],
    now: datetime,
    *,
    refresh: bool = False,
    fresh_since: datetime | None = None,
) -> list[Piece]:
    """What is still to be read, oldest first for each series: a set difference, so that resuming is free.

    A span that a source was read for is done; one that a source said is empty, or cannot reach, goes to the next
    source only. A source that does not know a symbol is asked again after 30 days, and so are all where one does not
    know it and no other has anything. With `refresh` everything is read again;
    what was read since `fresh_since` is not, though it may still change.
    """
    pieces = []
    for want in wanted:
        calendar = sessions.calendar(db, want.series.instrument.exchange)
        with db.connection() as connection:
            told = {} if refresh else coverage.of_series(connection, want.series, fresh_since)
        pieces += _pieces(want, calendar, in_order(sources, want.series.instrument.asset_class), told, now)
    return pieces


def in_order(sources: Mapping[str, Source], asset_class: AssetClass) -> list[Source]:
    """The sources that have this asset class, first choice first; SettingsError if there is none."""
    able = [sources[name] for name in ORDER[asset_class] if name in sources]
    if not able:
        raise SettingsError(
            f"No source for {asset_class} among {', '.join(sources) or 'none'}; "
            f"{', '.join(ORDER[asset_class])} have such bars"
        )
    return able


def _pieces(
    want: Wanted,
    calendar: Calendar,
    sources: Sequence[Source],
    told: Mapping[str, list[Stretch]],
    now: datetime,
) -> list[Piece]:
    """The pieces of one series: what nobody was read for, cut as its first source wants it cut."""
    span = want.span.common(Span(want.span.start, max(now, want.span.start)))
    if span is None or _nobody_knows(told, sources, now):
        return []
    settled = {source.name: _settled(span, told.get(source.name, ()), calendar, now) for source in sources}
    read = merged(part for state, parts in settled.values() for part in state)
    pieces = []
    for gap in span.without(read):
        for part, able in _shares(gap, sources, {name: away for name, (_, away) in settled.items()}):
            pieces += [_piece(want.series, each, able, calendar) for each in _cut(want.series, part, able[0], now)]
    return [piece for piece in pieces if piece.expected]


def _cut(series: Series, part: Span, source: Source, now: datetime) -> list[Span]:
    """`part` as its first source wants it cut; what that one does not reach stays whole, for the next one."""
    reach = source.reach(series, part, now)
    if reach is None:
        return [part]
    return sorted([*part.without([reach]), *source.pieces(series, reach)])


def _nobody_knows(told: Mapping[str, list[Stretch]], sources: Sequence[Source], now: datetime) -> bool:
    """Whether all sources were asked, one of them does not know the symbol, and none had anything or failed."""
    every = [stretch for source in sources for stretch in told.get(source.name, ())]
    return (
        any(stretch.is_unknown(now) for stretch in every)
        and all(told.get(source.name) for source in sources)
        and not any(stretch.state in (State.FETCHED, State.FAILED, State.REFUSED) for stretch in every)
    )


def _settled(
    span: Span, stretches: Sequence[Stretch], calendar: Calendar, now: datetime
) -> tuple[list[Span], list[Span]]:
    """Of what a source was asked: the parts of `span` it was read for, and those it has nothing for.

    That is all of it where it does not know the symbol; one that did once may have erred, and is asked again.
    """
    knew = any(stretch.state is State.FETCHED for stretch in stretches)
    if not knew and any(stretch.is_unknown(now) for stretch in stretches):
        return [], [span]
    read: list[Span] = []
    away: list[Span] = []
    for stretch in stretches:
        if part := stretch.settled(now, revisit(calendar)):
            (read if stretch.state is State.FETCHED else away).append(part)
    return merged(read), merged(away)


def _shares(
    gap: Span, sources: Sequence[Source], away: Mapping[str, list[Span]]
) -> list[tuple[Span, tuple[Source, ...]]]:
    """`gap` in parts, each with the sources that are not known to have nothing there."""
    edges = sorted(
        {gap.start, gap.end}
        | {moment for spans in away.values() for span in spans for moment in (span.start, span.end) if moment in gap}
    )
    parts = [Span(start, end) for start, end in pairwise(edges)]
    shares = [
        (part, tuple(source for source in sources if not any(part.common(span) for span in away[source.name])))
        for part in parts
    ]
    return [(part, able) for part, able in shares if able]


def _piece(series: Series, span: Span, sources: tuple[Source, ...], calendar: Calendar) -> Piece:
    return Piece(series, span, sources, calendar.expected(series.timeframe, span).height)
