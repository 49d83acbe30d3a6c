"""Splits and dividends, and what they change in the bars that are stored already."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import polars as pl
from psycopg import Connection

from barhouse.flow import holes, sessions
from barhouse.flow.enrich import MOMENTS, Kind, enrich
from barhouse.model import BARS, INSTANT, Instrument, Schema, Series, Timeframe
from barhouse.store import actions, bars, features, instruments
from barhouse.store.postgres import Database

NO_BARS = pl.DataFrame(schema={"instrument": pl.Int32(), **BARS, "origin": pl.UInt32(), "source": pl.Int16()})
"""Fresh bars, of which there are none."""
NOTHING_NEW: Schema = {"instrument": pl.Int32(), "inserted": pl.Int64(), "first": INSTANT, "last": INSTANT}
"""What is stamped of a series whose bars stay as they are."""


def learn(db: Database, instrument: Instrument, told: pl.DataFrame, source: str) -> None:
    """Keep what a source told of an instrument (`model.ACTIONS`).

    A split that is new, or told differently now, recomputes the features it touches in all series of the
    instrument, in the same transaction.
    """
    if told.is_empty():
        return
    calendar = sessions.calendar(db, instrument.exchange)
    with db.transaction() as connection:
        held = instruments.series_of(connection, instrument)
        for series in held:
            bars.lock(connection, series.timeframe, [instrument.number])
        code = instruments.source_code(connection, source)
        days = actions.learn(connection, instrument.number, told, code)
        splits = actions.splits(connection, [instrument.number])
        for series in held if days else ():
            kind = Kind(instrument.asset_class, series.timeframe, calendar)
            _recompute(db, connection, series, kind, splits, days)


def _recompute(
    db: Database, connection: Connection, series: Series, kind: Kind, splits: pl.DataFrame, days: list[date]
) -> None:
    """The features of a series from its first changed split on, as far as it bears."""
    moved = pl.DataFrame(
        [(series.instrument.number, _touched(day, series.timeframe)) for day in days], schema=MOMENTS, orient="row"
    )
    read = holes.read(connection, [series.instrument.number], series.timeframe)
    enriched = enrich(db, NO_BARS, kind, splits=splits, read=read, moved=moved, expects=frozenset())
    if enriched.features.is_empty():
        return
    features.replace(connection, enriched.features, series.timeframe)
    bars.stamp(
        connection,
        pl.DataFrame([(series.instrument.number, 0, None, None)], schema=NOTHING_NEW, orient="row"),
        series.timeframe,
    )


def _touched(day: date, timeframe: Timeframe) -> datetime:
    """From when on a split of that day can touch bars: its week; exchanges far in the east open on the eve by UTC."""
    back = max(day.weekday(), 1) if timeframe is Timeframe.W1 else 1
    return datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(days=back)
