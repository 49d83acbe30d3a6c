"""How every series stands: what is stored, and what of it is missing, failed or not to be had."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import polars as pl

from barhouse.calendar import Calendar
from barhouse.flow import sessions
from barhouse.model import AssetClass, Series, Span, Timeframe, at, merged
from barhouse.store import coverage, executions, instruments
from barhouse.store.coverage import State, Stretch
from barhouse.store.executions import Progress
from barhouse.store.postgres import Database


@dataclass(frozen=True, slots=True)
class Standing:
    """A series with what is stored of it, and which of its spans are not."""

    series: Series
    tracked: bool
    bars: int
    first: datetime | None
    last: datetime | None
    unread: Sequence[Span]
    """Asked of nobody yet, though bars are due there."""
    failed: Sequence[Span]
    """Asked, and no source could be read; the next backfill asks again. Where one was away, another's "nothing" says
    nothing."""
    unreachable: Sequence[Span]
    """What no source has, by its nature."""
    unjudged: str | None = None
    """Why nobody can say what is missing: no calendar is known of its exchange."""
    progress: Progress | None = None
    """How far a backfill of it is that runs at the moment."""


def standings(db: Database, now: datetime) -> list[Standing]:
    """Every series of the warehouse, by symbol."""
    with db.connection() as connection:
        rows = instruments.described(connection)
        under_way = executions.under_way(connection)
    strange = sessions.unknown(db, (row["exchange"] for row in rows))
    found = (_standing(db, row, now, strange.get(row["exchange"])) for row in rows)
    return [replace(each, progress=under_way.get(_name(each.series))) for each in found]


def _name(series: Series) -> tuple[str, str, str]:
    return series.instrument.symbol, series.instrument.asset_class, series.timeframe


def _standing(db: Database, row: Mapping[str, Any], now: datetime, unjudged: str | None) -> Standing:
    with db.connection() as connection:
        instrument = instruments.find(connection, row["symbol"], AssetClass(row["asset_class"]))
        series = Series(instrument, Timeframe.of(row["timeframe"]))
        told = [stretch for stretches in coverage.of_series(connection, series).values() for stretch in stretches]
    fetched, away = _in(told, State.FETCHED), _in(told, State.FAILED)
    read = merged([*fetched, *_less(_in(told, State.EMPTY), away)])
    failed = _less(merged([*away, *_in(told, State.REFUSED, State.UNKNOWN)]), read)
    unreachable = _less(_in(told, State.UNREACHABLE), [*read, *failed])
    unread = []
    if row["tracked"] and row["since"] < now and not unjudged:
        calendar = sessions.calendar(db, instrument.exchange)
        left = Span(row["since"], now).without([*read, *failed, *unreachable])
        unread = [span for span in left if _due(calendar, series, span, now - row["delay"])]
    return Standing(
        series=series,
        tracked=row["tracked"],
        bars=row["bars"],
        first=row["first_bar"],
        last=row["last_bar"],
        unread=unread,
        failed=failed,
        unreachable=unreachable,
        unjudged=unjudged,
    )


def _in(told: Iterable[Stretch], *states: State) -> list[Span]:
    return merged(stretch.span for stretch in told if stretch.state in states)


def _less(spans: Iterable[Span], others: Sequence[Span]) -> list[Span]:
    return [part for span in spans for part in span.without(others)]


def _due(calendar: Calendar, series: Series, span: Span, until: datetime) -> bool:
    """Whether a bar of a span closes until then."""
    slots = calendar.expected(series.timeframe, span)
    return not slots.filter(pl.col("closes") <= at(until)).is_empty()
