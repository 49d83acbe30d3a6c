"""Bars for whoever asks: as they are stored, as they were known once, adjusted for splits and dividends."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from types import ModuleType
from zoneinfo import ZoneInfo

import polars as pl

from barhouse.calendar import Calendar
from barhouse.errors import InvalidParameter
from barhouse.flow import adjust, past, resample, sessions
from barhouse.flow.adjust import CLOSES
from barhouse.model import Adjust, Series, Timeframe, instant
from barhouse.store import actions, history, instruments, reading
from barhouse.store.postgres import Database
from barhouse.store.reading import PAGE, Selection


def bars(db: Database, selection: Selection, limit: int = PAGE) -> pl.DataFrame:
    """The first `limit` bars of a selection, oldest first; `Selection.columns`."""
    found = _door(selection).bars(db, selection, limit)
    return basis(db, selection).applied(found) if selection.adjust is not Adjust.NONE else found


def newest(db: Database, selection: Selection, count: int) -> pl.DataFrame:
    """The last `count` bars of a selection, oldest first."""
    found = _door(selection).newest(db, selection, count)
    return basis(db, selection).applied(found) if selection.adjust is not Adjust.NONE else found


def pages(db: Database, selection: Selection, size: int = PAGE, limit: int | None = None) -> Iterator[pl.DataFrame]:
    """All bars of a selection, or the first `limit`, oldest first, `size` at a time; an empty frame if there are none.

    No connection is held between two pages, so a slow reader keeps nobody waiting.
    """
    found = _door(selection).pages(db, selection, size, limit)
    return map(basis(db, selection).applied, found) if selection.adjust is not Adjust.NONE else found


def _door(selection: Selection) -> ModuleType:
    """Where the bars as traded come from; InvalidParameter (422) for an instant that is still to come."""
    if selection.as_of is not None and selection.as_of > datetime.now(UTC):
        raise InvalidParameter(f"as_of: {instant(selection.as_of)} is still to come")
    if selection.finer is not None:
        return resample
    return reading if selection.as_of is None else past


@dataclass(frozen=True, slots=True)
class Basis:
    """What turns the bars of a series as traded into adjusted ones."""

    factors: pl.DataFrame
    """`adjust.FACTORS`."""
    timeframe: Timeframe
    calendar: Calendar

    def applied(self, bars: pl.DataFrame) -> pl.DataFrame:
        """The bars in this basis."""
        return adjust.adjusted(bars, adjust.days(bars["time"], self.timeframe, self.calendar), self.factors)

    @property
    def mark(self) -> str:
        """What changes with any of the factors."""
        return blake2b(repr(self.factors.rows()).encode(), digest_size=8).hexdigest()


def basis(db: Database, selection: Selection, now: datetime | None = None) -> Basis:
    """The basis of a selection: the actions that count and have taken effect, now or `as_of` its instant."""
    instrument = selection.series.instrument
    calendar = sessions.calendar(db, instrument.exchange)
    moment = selection.as_of or now or datetime.now(UTC)
    with db.connection() as connection:
        told = actions.accepted(connection, [instrument.number], selection.as_of)
    effective = told.filter(pl.col("effective") <= moment.astimezone(ZoneInfo(calendar.zone)).date())
    paid = selection.adjust is Adjust.ALL and "dividend" in effective["kind"]
    closes = _closes(db, selection, calendar) if paid else pl.DataFrame(schema=CLOSES)
    return Basis(adjust.factors(effective, closes, selection.adjust), selection.series.timeframe, calendar)


def _closes(db: Database, selection: Selection, calendar: Calendar) -> pl.DataFrame:
    """The raw closes of an instrument (`adjust.CLOSES`): of its days, else of the longest bars there are."""
    with db.connection() as connection:
        held = instruments.series_of(connection, selection.series.instrument)
    for series in sorted(held, key=_length, reverse=True):
        found = _all_closes(db, series, selection.as_of)
        if found.height:
            day = adjust.days(found["time"], series.timeframe, calendar)
            return found.select(day=day, close="close")
    return pl.DataFrame(schema=CLOSES)


def _all_closes(db: Database, series: Series, as_of: datetime | None) -> pl.DataFrame:
    return (
        reading.closes(db, series) if as_of is None else history.bars(db, Selection(series, as_of=as_of), sys.maxsize)
    )


def _length(series: Series) -> tuple[bool, int]:
    return series.timeframe is Timeframe.D1, series.timeframe.minutes
