"""From vendor to vendor until the bars of a span are there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl
import structlog

from barhouse.calendar import Calendar
from barhouse.errors import CannotServe, SourceError
from barhouse.model import Series, Span, at, merged
from barhouse.sources.base import Fetched, Source

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Attempt:
    """What one source had to say about one span: an answer, or an error, CannotServe where it does not reach."""

    source: str
    span: Span
    fetched: Fetched | None = None
    error: SourceError | None = None

    @property
    def state(self) -> str:
        """What coverage keeps of it: fetched, empty, failed or unreachable; unread is never empty."""
        if self.fetched is not None:
            return "empty" if self.fetched.bars.is_empty() and self.fetched.rejects.is_empty() else "fetched"
        return "unreachable" if isinstance(self.error, CannotServe) else "failed"


async def fetch(
    series: Series, span: Span, calendar: Calendar, sources: Sequence[Source], now: datetime
) -> list[Attempt]:
    """Each attempt to bring the bars of `series` in `span`, in the order of `sources`.

    What one source cannot reach, fails to give, or says is empty though bars are due, the next one is asked for. The
    last attempt for a stretch is what is known of it: the span is unread where that one is neither fetched nor empty.
    """
    attempts: list[Attempt] = []
    past = span.common(Span(min(span.start, now), now))
    left = [past] if past else []
    for source in sources:
        made = [attempt for part in left for attempt in await _asked(series, part, calendar, source, now)]
        attempts += made
        left = merged(attempt.span for attempt in made if _is_open(attempt, series, calendar, source, now))
    return attempts


async def _asked(series: Series, span: Span, calendar: Calendar, source: Source, now: datetime) -> list[Attempt]:
    """What `source` gives for the part of `span` that it reaches; the rest is unreachable."""
    reach = source.reach(series, span, now)
    made = [_unreachable(source, series, part) for part in span.without([reach] if reach else [])]
    for piece in source.pieces(series, reach) if reach else []:
        made += await _read(series, piece, calendar, source)
    return made


async def _read(series: Series, piece: Span, calendar: Calendar, source: Source) -> list[Attempt]:
    """What `source` gives for what it can answer at a time; where its answer ended early, the rest is empty."""
    try:
        fetched = await source.bars(series, piece, calendar)
    except SourceError as error:
        log.warning("source_failed", source=source.name, series=str(series), span=str(piece), error=str(error))
        return [Attempt(source.name, piece, error=error)]
    silent = [Attempt(source.name, part, fetched=fetched.silent(part)) for part in piece.without([fetched.span])]
    return [Attempt(source.name, fetched.span, fetched=fetched), *silent]


def _unreachable(source: Source, series: Series, span: Span) -> Attempt:
    return Attempt(source.name, span, error=CannotServe(source.name, f"{series} of that time is beyond its reach"))


def _is_open(attempt: Attempt, series: Series, calendar: Calendar, source: Source, now: datetime) -> bool:
    """Whether the next source is to be asked for the same stretch."""
    if attempt.fetched is None or not attempt.fetched.bars.is_empty():
        return attempt.fetched is None
    slots = calendar.expected(series.timeframe, attempt.span)
    return not slots.filter(pl.col("closes") + source.delay <= at(now)).is_empty()
