"""Bars of several instruments in one timeframe, in one statement a page."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import lru_cache

import polars as pl
from psycopg import Connection

from barhouse.model import AssetClass, Schema, Series
from barhouse.store import reading
from barhouse.store.postgres import Database
from barhouse.store.queries import queries
from barhouse.store.reading import PAGE, Selection

query = queries("cross")

WHOSE: Schema = {"symbol": pl.String(), "asset_class": pl.String()}
"""What stands in front of each bar."""


def widest(wanted: Sequence[Selection]) -> Selection:
    """The one of these selections whose columns all others have too, or have nothing for: a coin's, if there is one."""
    coins = (each for each in wanted if each.series.instrument.asset_class is AssetClass.CRYPTO)
    return next(coins, wanted[0])


def pages(
    db: Database, wanted: Sequence[Selection], size: int = PAGE, limit: int | None = None
) -> Iterator[pl.DataFrame]:
    """All bars of these selections, which differ in instrument and start only, or the first `limit`, `size` at a time.

    One after the other, each oldest first: `WHOSE` and the columns of the `widest`; an empty frame if there are none.
    No connection is held between two pages.
    """
    names, like = reading.sources(db), widest(wanted)
    left = sys.maxsize if limit is None else limit
    while True:
        found = _read(db, wanted, like, min(size, left))
        bars = reading.typed(found.drop("place"), like, names)
        yield labelled(bars, [each.series for each in wanted], found["place"] - 1)
        left -= size
        if found.height < size or left <= 0:
            return
        last = found["place"][-1]
        wanted = [wanted[last - 1].after(found["time"][-1]), *wanted[last:]]


def labelled(bars: pl.DataFrame, whose: Sequence[Series], places: pl.Series) -> pl.DataFrame:
    """Bars with their symbol and asset class in front, each of the series at its place among those of `whose`."""
    names = [(each.instrument.symbol, str(each.instrument.asset_class)) for each in whose]
    return pl.DataFrame(names, schema=WHOSE, orient="row")[places].hstack(bars)


def revisions(connection: Connection, series: Sequence[Series]) -> list[tuple[int, int, datetime | None]]:
    """What changes with each write to one of these series, which are of one timeframe."""
    told = {"instruments": [each.instrument.number for each in series], "timeframe": series[0].timeframe.code}
    return connection.execute(query.revisions, told).fetchall()


def _read(db: Database, wanted: Sequence[Selection], like: Selection, limit: int) -> pl.DataFrame:
    keys = [each.series.instrument.number for each in wanted]
    starts = [each.span.start for each in wanted]
    timeframe, end = like.series.timeframe.code, like.span.end
    quality = [like.extended, like.validated_only, like.min_quality]
    return db.frame(_statement(tuple(like.schema), like.derived), [keys, timeframe, starts, end, *quality, limit])


@lru_cache(maxsize=64)
def _statement(columns: tuple[str, ...], features: tuple[str, ...]) -> bytes:
    return reading.columned(query.bars, columns, features)
