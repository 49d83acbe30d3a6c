"""What every source gives, whatever its protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Protocol

import polars as pl

from barhouse.calendar import Calendar
from barhouse.model import ACTIONS, INSTANT, Series, Span

REJECTS = pl.Schema({"time": INSTANT, "reason": pl.String(), "payload": pl.String()})
"""Rows that no bar could be made of: `time` NULL where unreadable, the vendor's row as it came."""


@dataclass(frozen=True, slots=True)
class Weighed:
    """How good an answer is, from 0 to 1, and whose answer for the same span it was compared with, how good that."""

    score: float
    other: str | None = None
    other_score: float | None = None


@dataclass(frozen=True, slots=True)
class Fetched:
    """One source's whole answer for one span of one series: all that was asked was read."""

    series: Series
    source: str
    span: Span
    """What was asked; its first part, where a page without any rows followed the ones before."""
    bars: pl.DataFrame
    """`model.BARS` plus `origin` (UInt32): the row of `raw` that a bar was read from. In the order of the answer."""
    raw: pl.DataFrame
    """The vendor's rows under the vendor's names, so that the quarantine can keep what really came."""
    expects: frozenset[str] = frozenset()
    """The columns beyond the five that this source normally sends: completeness is judged against them."""
    rejects: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=REJECTS))
    actions: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=ACTIONS))
    """Splits and dividends that came along."""
    calls: int = 1
    response_ms: float = 0.0
    """Time the vendor took, over all calls."""
    quota_remaining: int | None = None
    weighed: Weighed | None = None
    """Set once somebody judged it; an answer without any rows cannot be judged."""

    def silent(self, span: Span) -> Fetched:
        """The word that there is nothing in `span`, which an empty page after this answer gave."""
        none = {name: getattr(self, name).clear() for name in ("bars", "raw", "rejects", "actions")}
        return replace(self, span=span, calls=0, response_ms=0.0, weighed=None, **none)


@dataclass(frozen=True, slots=True)
class Kept:
    """Rows of one source's old answers about one series, as the quarantine kept them; all have the same fields."""

    series: Series
    rows: Sequence[dict[str, object]]
    times: pl.Series
    """The time of each row as it was read then, NULL where it could not be."""
    calendar: Calendar
    ratios: Mapping[date, Fraction]
    """The splits that were in the source's prices when it sent the rows."""


class Source(Protocol):
    """A vendor. Asking is async; each failure is a `SourceError`, an empty frame means that the vendor said so."""

    name: str
    delay: timedelta
    """How long after its close a bar is due here."""

    def reach(self, series: Series, span: Span, now: datetime) -> Span | None:
        """The part of `span` that this source can give at all; None where it has no such bars."""
        ...

    def pieces(self, series: Series, span: Span) -> list[Span]:
        """`span` in stretches that are fetched and kept one after the other, oldest first."""
        ...

    async def bars(self, series: Series, span: Span, calendar: Calendar) -> Fetched:
        """The bars of `series` in `span`, as traded, in canonical slots."""
        ...

    async def actions(self, series: Series, span: Span) -> pl.DataFrame:
        """The splits and dividends of the instrument effective in `span` (`model.ACTIONS`)."""
        ...

    async def close(self) -> None:
        """End the connections."""
        ...
