"""From vendor to vendor until the bars of a span are there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import polars as pl
import structlog

from barhouse.calendar import Calendar
from barhouse.errors import CannotServe, NotEntitled, RequestRefused, SourceError, UnknownAtSource
from barhouse.model import Series, Span, at, merged
from barhouse.sources.base import Fetched, Source, Weighed

log = structlog.get_logger()

POOR = 0.85
"""An answer of a lower quality is compared with the next source's."""

BETTER = 0.05
"""By more than this another answer has to be better to be preferred."""

Judge = Callable[[Fetched], Awaitable[float | None]]
"""How good an answer is, from 0 to 1; None where it has no rows to judge."""


async def unjudged(_: Fetched) -> None:
    """Nobody judges: each answer is taken as it is."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What one source had to say about one span: an answer, or an error, CannotServe where it does not reach."""

    source: str
    span: Span
    fetched: Fetched | None = None
    error: SourceError | None = None
    outdone: bool = False
    """Whether another source's answer for the same stretch is kept in its place: nothing of this one is."""

    @property
    def state(self) -> str:
        """What coverage keeps of it: fetched, empty, failed, refused, unknown or unreachable; unread is never empty."""
        match self.error:
            case None:
                return "fetched" if self.fetched and self.fetched.bars.height + self.fetched.rejects.height else "empty"
            case CannotServe():
                return "unreachable"
            case UnknownAtSource():
                return "unknown"
            case NotEntitled() | RequestRefused():
                return "refused"
            case _:
                return "failed"

    @property
    def score(self) -> float | None:
        """How good the answer was judged to be, from 0 to 1."""
        return self.fetched.weighed.score if self.fetched and self.fetched.weighed else None

    def against(self, other: str, score: float, *, outdone: bool) -> Attempt:
        """The attempt with the other answer that it was compared with; both have been judged."""
        assert self.fetched and self.fetched.weighed  # noqa: S101
        weighed = replace(self.fetched.weighed, other=other, other_score=score)
        return replace(self, fetched=replace(self.fetched, weighed=weighed), outdone=outdone)


@dataclass(frozen=True, slots=True)
class _Question:
    """What is asked of every source alike."""

    series: Series
    calendar: Calendar
    now: datetime
    judge: Judge


async def fetch(
    series: Series,
    span: Span,
    calendar: Calendar,
    sources: Sequence[Source],
    now: datetime,
    judge: Judge = unjudged,
) -> list[Attempt]:
    """Each attempt to bring the bars of `series` in `span`, in the order of `sources`.

    What one source cannot reach, fails to give, or says is empty though bars are due, the next one is asked for; and
    so is a poor answer, of which the better one is kept whole and the other is `outdone`. The last attempt for a
    stretch that is not outdone is what is known of it: it is unread where that one is neither fetched nor empty.
    """
    question = _Question(series, calendar, now, judge)
    attempts: list[Attempt] = []
    past = span.common(Span(min(span.start, now), now))
    left = [past] if past else []
    for place, source in enumerate(sources):
        made = [attempt for part in left for attempt in await _asked(question, part, source)]
        left = []
        for attempt in made:
            if _is_open(question, attempt, source):
                attempts.append(attempt)
                left = merged([*left, attempt.span])
            else:
                attempts += await _preferred(question, attempt, sources[place + 1 :])
    return attempts


async def _preferred(question: _Question, attempt: Attempt, others: Sequence[Source]) -> list[Attempt]:
    """A good answer as it is; a poor one beside those of the next sources, until one is good: the best is kept."""
    if attempt.score is None or attempt.score >= POOR or not others:
        return [attempt]
    other, *rest = others
    if other.reach(question.series, attempt.span, question.now) != attempt.span:
        return await _preferred(question, attempt, rest)
    made = await _asked(question, attempt.span, other)
    score = _together(made)
    if score is None or any(_is_open(question, each, other) for each in made):
        tried = [replace(each, outdone=each.fetched is not None) for each in made]
        return [*tried, *await _preferred(question, attempt, rest)]
    log.info("answers_compared", source=attempt.source, score=attempt.score, other=other.name, other_score=score)
    better = score > attempt.score + BETTER
    ours = attempt.against(other.name, score, outdone=better)
    theirs = [_beside(each, ours, outdone=not better) for each in made]
    if not better:
        return [*theirs, *await _preferred(question, ours, rest)]
    return [ours, *[one for each in theirs for one in await _preferred(question, each, rest)]]


def _beside(each: Attempt, ours: Attempt, *, outdone: bool) -> Attempt:
    """A part of the other answer as it fared against ours; an empty part has no score to tell."""
    if each.score is None or ours.score is None:
        return replace(each, outdone=outdone)
    return each.against(ours.source, ours.score, outdone=outdone)


def _together(made: Sequence[Attempt]) -> float | None:
    """The quality of an answer that came in parts; None where no part can be judged."""
    known = [(each.score, each.fetched.bars.height or 1) for each in made if each.fetched and each.score is not None]
    bars = sum(height for _, height in known)
    return round(sum(score * height for score, height in known) / bars, 6) if bars else None


async def _asked(question: _Question, span: Span, source: Source) -> list[Attempt]:
    """What `source` gives for the part of `span` that it reaches; the rest is unreachable."""
    series = question.series
    reach = source.reach(series, span, question.now)
    made = [_unreachable(source, series, part) for part in span.without([reach] if reach else [])]
    for piece in source.pieces(series, reach) if reach else []:
        made += await _read(question, piece, source)
    return made


async def _read(question: _Question, piece: Span, source: Source) -> list[Attempt]:
    """What `source` gives for what it can answer at a time; where its answer ended early, the rest is empty."""
    series = question.series
    try:
        fetched = await source.bars(series, piece, question.calendar)
    except SourceError as error:
        log.warning("source_failed", source=source.name, series=str(series), span=str(piece), error=str(error))
        return [Attempt(source.name, piece, error=error)]
    score = await question.judge(fetched)
    judged = fetched if score is None else replace(fetched, weighed=Weighed(score))
    silent = [Attempt(source.name, part, fetched=fetched.silent(part)) for part in piece.without([fetched.span])]
    return [Attempt(source.name, fetched.span, fetched=judged), *silent]


def _unreachable(source: Source, series: Series, span: Span) -> Attempt:
    return Attempt(source.name, span, error=CannotServe(source.name, f"{series} of that time is beyond its reach"))


def _is_open(question: _Question, attempt: Attempt, source: Source) -> bool:
    """Whether the next source is to be asked for the same stretch."""
    if attempt.fetched is None or not attempt.fetched.bars.is_empty():
        return attempt.fetched is None
    slots = question.calendar.expected(question.series.timeframe, attempt.span)
    return not slots.filter(pl.col("closes") + source.delay <= at(question.now)).is_empty()
