"""What there is of a series: slot by slot, day by day, and the stretches in which something is absent."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum

import polars as pl

from barhouse.errors import InvalidParameter
from barhouse.flow import sessions
from barhouse.model import INSTANT, Schema, Series, Span, Timeframe, at, instant, merged, within
from barhouse.store import coverage, history, instruments, reading
from barhouse.store.coverage import State, Stretch
from barhouse.store.postgres import Database
from barhouse.store.reading import Selection


class Presence(StrEnum):
    """How it stands with a slot, the worst first: that is what is told of a day."""

    FAILED = "failed"
    """Every source that was asked failed."""
    MISSING = "missing"
    """It was read, and came without the bar."""
    QUARANTINED = "quarantined"
    LATER = "later"
    """The bar came after the instant whose knowledge is asked for."""
    UNASKED = "unasked"
    VENDOR_EMPTY = "vendor_empty"
    UNREACHABLE = "unreachable"
    """No source that was asked reaches back so far."""
    NO_TRADE = "no_trade"
    PRESENT = "present"


FINE = (Presence.NO_TRADE, Presence.PRESENT)
"""Nothing is absent there."""

SLOTS: Schema = {"time": INSTANT, "closes": INSTANT, "date": pl.Date(), "state": pl.Enum(Presence)}
"""One row a slot that is due; `date` is that of its session, or the Monday of a week."""

DAYS: Schema = {
    "date": pl.Date(),
    "state": pl.Enum(Presence),
    "expected": pl.UInt32(),
    "present": pl.UInt32(),
    "absent": pl.UInt32(),
    "start": INSTANT,
    "end": INSTANT,
}
"""One row a day with sessions: the worst of its slots, how many are due, stored and absent, and their span."""

STRETCHES: Schema = {
    "state": pl.Enum(Presence),
    "first": pl.Date(),
    "last": pl.Date(),
    "days": pl.UInt32(),
    "absent": pl.UInt32(),
    "start": INSTANT,
    "end": INSTANT,
}
"""Days in a row that stand alike, with the span that a backfill of them would ask for."""


def extent(db: Database, series: Series, now: datetime) -> Span | None:
    """From the first bar of a series, or the first instant that any source was asked for, to now; None of nothing."""
    with db.connection() as connection:
        stored = instruments.extent(connection, series)
        asked = coverage.of_series(connection, series)
    starts = [stretch.span.start for own in asked.values() for stretch in own] + ([stored.start] if stored else [])
    return Span(min(starts), now) if starts and min(starts) < now else None


def slots(db: Database, series: Series, span: Span, now: datetime, as_of: datetime | None = None) -> pl.DataFrame:
    """How it stands with each slot of a series that begins in `span` and is due (`SLOTS`), oldest first.

    As it was known `as_of` an instant: bars that came since are `later`. InvalidParameter (422) for one to come.
    """
    if as_of is not None and as_of > now:
        raise InvalidParameter(f"as_of: {instant(as_of)} is still to come")
    calendar = sessions.calendar(db, series.instrument.exchange)
    due = calendar.expected(series.timeframe, span).filter(pl.col("closes") <= at(as_of or now))
    stored = calendar.canonical(reading.times(db, series, span), series.timeframe)
    then = stored if as_of is None else calendar.canonical(_known(db, series, span, as_of), series.timeframe)
    with db.connection() as connection:
        absent = coverage.absences(connection, series, span)
        asked = coverage.of_series(connection, series)
        held = instruments.extent(connection, series)
    day = pl.col("time").dt.date() if series.timeframe is Timeframe.W1 else pl.col("session")
    told = due.sort("time").join_asof(absent.sort("first"), left_on="time", right_on="first")
    state = _state(stored, then, _asked(asked.values()), held.start if held else now)
    return told.select("time", "closes", date=day, state=state.cast(SLOTS["state"]))


def _known(db: Database, series: Series, span: Span, as_of: datetime) -> pl.Series:
    """The times of the bars that were known then."""
    return history.bars(db, Selection(series, span, traded=True, as_of=as_of), sys.maxsize)["time"]


def _asked(told: Iterable[Sequence[Stretch]]) -> Mapping[State, list[Span]]:
    """Where any source was asked, by what came of it."""
    every = [stretch for own in told for stretch in own]
    return {state: merged(each.span for each in every if each.state is state) for state in State}


def _state(stored: pl.Series, then: pl.Series, asked: Mapping[State, list[Span]], first: datetime) -> pl.Expr:
    """How it stands with a slot whose absence is told beside it (`last`, `reason`); bars begin at `first`."""
    told = (pl.col("time") <= pl.col("last")).fill_null(value=False)
    fetched, failed, refused, empty, away = (
        pl.any_horizontal(pl.lit(value=False), *(within(span) for span in asked[state]))
        for state in (State.FETCHED, State.FAILED, State.REFUSED, State.EMPTY, State.UNREACHABLE)
    )
    unread = (failed | (refused & ~empty)) & ~fetched
    return (
        pl.when(pl.col("time").is_in(then.implode()))
        .then(pl.lit(Presence.PRESENT))
        .when(pl.col("time").is_in(stored.implode()))
        .then(pl.lit(Presence.LATER))
        .when(unread & ~(told & (pl.col("reason") != Presence.MISSING)))
        .then(pl.lit(Presence.FAILED))
        .when(told)
        .then("reason")
        # A vendor that is asked for years before a listing says nothing of them
        .when(empty | (fetched & (pl.col("time") < at(first))))
        .then(pl.lit(Presence.VENDOR_EMPTY))
        .when(fetched)
        .then(pl.lit(Presence.MISSING))
        .when(away)
        .then(pl.lit(Presence.UNREACHABLE))
        .otherwise(pl.lit(Presence.UNASKED))
    )


def days(slots: pl.DataFrame) -> pl.DataFrame:
    """The days of some slots (`DAYS`), oldest first."""
    return (
        slots.lazy()
        .group_by("date", maintain_order=True)
        .agg(
            state=pl.min("state"),
            expected=pl.len(),
            present=(pl.col("state") == Presence.PRESENT).sum(),
            absent=(~pl.col("state").is_in(FINE)).sum(),
            start=pl.min("time"),
            end=pl.max("closes"),
        )
        .cast(pl.Schema(DAYS))
        .collect()
    )


def stretches(days: pl.DataFrame) -> pl.DataFrame:
    """The days in a row that stand alike and lack something (`STRETCHES`), oldest first; closed days part nothing."""
    return (
        days.lazy()
        .with_columns(run=pl.col("state").rle_id())
        .filter(~pl.col("state").is_in(FINE))
        .group_by("run", "state", maintain_order=True)
        .agg(
            first=pl.min("date"),
            last=pl.max("date"),
            days=pl.len(),
            absent=pl.sum("absent"),
            start=pl.min("start"),
            end=pl.max("end"),
        )
        .drop("run")
        .cast(pl.Schema(STRETCHES))
        .collect()
    )


def gaps(slots: pl.DataFrame) -> pl.DataFrame:
    """The slots in a row that are absent for one reason: [state, times], oldest first."""
    return (
        slots.lazy()
        .with_columns(run=pl.col("state").rle_id())
        .filter(pl.col("state") != Presence.PRESENT)
        .group_by("run", "state", maintain_order=True)
        .agg(times="time")
        .drop("run")
        .collect()
    )


def totals(days: pl.DataFrame) -> dict[str, int]:
    """How many days stand in each way."""
    return {str(state): count for state, count in days.group_by("state").len().iter_rows()}
