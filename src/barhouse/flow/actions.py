"""Splits and dividends: what is learnt of them, which of them count, and what that changes in the stored bars."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import structlog
from psycopg import Connection

from barhouse.calendar import Calendar
from barhouse.errors import UnknownCalendar
from barhouse.flow import holes, sessions
from barhouse.flow.conflicts import KIND, conflicts
from barhouse.flow.enrich import MOMENTS, Kind, enrich
from barhouse.flow.instruments import find
from barhouse.flow.regrade import regrade
from barhouse.flow.verdicts import claims, on_dividends, on_splits
from barhouse.model import BARS, AssetClass, Instrument, Series, Span, Timeframe
from barhouse.sources.order import precedence
from barhouse.store import actions, anomalies, bars, features, instruments
from barhouse.store.actions import Days
from barhouse.store.anomalies import Checked
from barhouse.store.postgres import Database

log = structlog.get_logger()

NO_BARS = pl.DataFrame(schema={"instrument": pl.Int32(), **BARS, "origin": pl.UInt32(), "source": pl.Int16()})
"""Fresh bars, of which there are none."""

SHOWN = ("source", "kind", "effective", "ratio", "amount", "currency", "learnt_at", "standing", "evidence")


def learn(db: Database, instrument: Instrument, told: pl.DataFrame, source: str, asked: Span | None = None) -> None:
    """Keep what a source told of an instrument (`model.ACTIONS`), and `asked` over which span, if that was all of it.

    Which splits count is decided anew. Where that changes, features, flags and scores of what it touches change in
    the same transaction, in all series of the instrument.
    """
    if told.is_empty() and asked is None:
        return
    with db.transaction() as connection:
        held = _locked(connection, instrument)
        before = actions.splits(connection, [instrument.number])
        code = instruments.source_code(connection, source)
        days = Days(asked.start.date(), asked.end.date()) if asked else None
        news = actions.learn(connection, instrument.number, told, code, asked=days)
        _settle(db, connection, instrument, held, before, news=news)


def corporate_actions(
    db: Database, symbol: str, asset_class: AssetClass | None = None, as_of: datetime | None = None
) -> tuple[Instrument, list[dict[str, Any]]]:
    """What is told of the splits and dividends of a symbol, or was at an instant, by date, and how each telling stands.

    Each is source, kind, effective, ratio, amount, currency, learnt_at, standing, evidence. UnknownSymbol (404).
    """
    instrument = find(db, symbol, asset_class)
    with db.connection() as connection:
        rows = actions.told(connection, [instrument.number], as_of)
    return instrument, [{name: row[name] for name in SHOWN} for row in rows]


def accepted(db: Database, those: Iterable[Instrument]) -> pl.DataFrame:
    """The splits and dividends of some instruments that count: instrument, kind, effective, ratio, amount."""
    with db.connection() as connection:
        return actions.accepted(connection, [of.number for of in those])


def reconsider(db: Database, written: Iterable[int] | None = None) -> None:
    """Decide anew which splits of some instruments, or of all, count, where bars about the day of one changed.

    That they changed was noted with the bars: whoever is killed before this leaves it to the next one who opens the
    warehouse. One whose calendar nobody knows waits until somebody does.
    """
    with db.connection() as connection:
        waiting = actions.reviews(connection, written)
    for instrument, last in waiting:
        try:
            _reconsider(db, instrument, last)
        except UnknownCalendar as cause:
            log.warning("splits_not_decided", symbol=instrument.symbol, reason=str(cause))


def _reconsider(db: Database, instrument: Instrument, last: int) -> None:
    with db.transaction() as connection:
        held = _locked(connection, instrument)
        before = actions.splits(connection, [instrument.number])
        _settle(db, connection, instrument, held, before, news=False)
        actions.reviewed(connection, instrument.number, last)


def _locked(connection: Connection, instrument: Instrument) -> list[Series]:
    """All series of an instrument; this transaction is their only writer."""
    held = instruments.series_of(connection, instrument)
    for series in held:
        bars.lock(connection, series.timeframe, [instrument.number])
    return held


def _settle(
    db: Database,
    connection: Connection,
    instrument: Instrument,
    held: Sequence[Series],
    before: pl.DataFrame,
    *,
    news: bool,
) -> None:
    """Decide which actions count, and change what hangs on it; `before` are the splits that counted until now."""
    calendar = sessions.calendar(db, instrument.exchange)
    changed = _decide(connection, instrument, held, calendar)
    splits = actions.splits(connection, [instrument.number])
    days = sorted(set(before.rows()) ^ set(splits.rows()))
    for series in held if days else ():
        kind = Kind(instrument.asset_class, series.timeframe, calendar)
        _recompute(db, connection, series, kind, splits, [day for _, day, _ in days])
    if news or changed:
        actions.stamp(connection, instrument.number)


def _decide(connection: Connection, instrument: Instrument, held: Sequence[Series], calendar: Calendar) -> bool:
    """How all that is told of an instrument stands, and what is to be said of it; whether anything stands otherwise."""
    known = actions.told(connection, [instrument.number])
    split, paid = ([row for row in known if row["kind"] == kind] for kind in ("split", "dividend"))
    first, readings = precedence(instrument.asset_class), actions.readings(connection, instrument.number)
    told = claims(split, _moves(connection, held, split, calendar), first)
    verdicts = [*on_splits(told, readings), *on_dividends(paid, first)]
    found = conflicts(instrument.number, told, readings)
    anomalies.reconcile(connection, found, checked=Checked([instrument.number], [Timeframe.D1], [KIND]))
    return actions.decide(connection, verdicts, known)


def _moves(
    connection: Connection, held: Sequence[Series], told: Iterable[Mapping[str, Any]], calendar: Calendar
) -> list[actions.Move]:
    """What prices did across the days for which splits are told."""
    days = sorted({row["effective"] for row in told})
    asked = [(series.timeframe.code, day, *_around(day, series.timeframe, calendar)) for series in held for day in days]
    return actions.moves(connection, held[0].instrument.number, asked) if asked else []


def _around(day: date, timeframe: Timeframe, calendar: Calendar) -> tuple[datetime, datetime]:
    """Before which moment a bar lies wholly before a day, and from which one on wholly not."""
    zone = ZoneInfo(calendar.zone) if timeframe.intraday else UTC
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
    return midnight - timedelta(days=6 if timeframe is Timeframe.W1 else 0), midnight


def _recompute(
    db: Database, connection: Connection, series: Series, kind: Kind, splits: pl.DataFrame, days: Sequence[date]
) -> None:
    """The features and flags of a series from its first changed split on, as far as it bears."""
    moved = pl.DataFrame(list(_touched(series, days)), schema=MOMENTS, orient="row")
    read = holes.read(connection, [series.instrument.number], series.timeframe)
    enriched = enrich(db, NO_BARS, kind, splits=splits, read=read, moved=moved, expects=frozenset())
    features.replace(connection, enriched.features, series.timeframe)
    regrade(db, connection, kind, moved, splits)


def _touched(series: Series, days: Iterable[date]) -> Iterator[tuple[int, datetime]]:
    """From when on a split can touch bars: its week; exchanges far in the east open on the eve by UTC."""
    for day in days:
        back = max(day.weekday(), 1) if series.timeframe is Timeframe.W1 else 1
        midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
        yield series.instrument.number, midnight - timedelta(days=back)
