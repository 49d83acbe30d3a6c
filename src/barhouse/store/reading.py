"""Bars for whoever asks: as frames of any length, page by page, or the SQL for a reader of rows."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import polars as pl
from psycopg import Connection, sql
from psycopg.rows import dict_row

from barhouse.model import EXTRAS, INPUTS, INSTANT, PRICES, Adjust, AssetClass, Schema, Series, Span, Timeframe
from barhouse.store import instruments
from barhouse.store.postgres import Database
from barhouse.store.queries import queries

query = queries("reading")

ALL_TIME = Span(datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC))
PAGE = 20_000
"""Bars read at a time where all of them are wanted: a few megabytes."""
NEWEST = 250
"""Bars that the mean quality of a series is taken over, where a glance is enough."""

MEASURED: Schema = {
    "time": INSTANT,
    **PRICES,
    "volume": pl.Float64(),
    "vwap": EXTRAS["vwap"],
    "trades": EXTRAS["trades"],
}
VERDICT: Schema = {
    "source": pl.String(),
    "validated": pl.Boolean(),
    "quality_score": pl.Float64(),
    "flags": pl.String(),
}
COIN: Schema = {"quote_volume": EXTRAS["quote_volume"], **INPUTS}
TURNOVER: Schema = {"quote_volume": EXTRAS["quote_volume"], "taker_buy_volume": INPUTS["taker_buy_volume"]}


@dataclass(frozen=True, slots=True)
class Selection:
    """Which bars of a series are wanted, and with which features beside them (names of columns)."""

    series: Series
    span: Span = ALL_TIME
    validated_only: bool = False
    min_quality: float = 0.0
    extended: bool = False
    """Whether bars outside the regular session are wanted too."""
    forming: bool = False
    """Whether a bar is wanted too that was still forming when it was read; never in a read `as_of` an instant."""
    traded: bool = False
    """Whether only what was traded is wanted, without where it comes from and how good it is."""
    features: tuple[str, ...] = ()
    adjust: Adjust = Adjust.NONE
    """Which corporate actions prices and volumes are adjusted for."""
    as_of: datetime | None = None
    """The instant whose knowledge is wanted; None is what is known now."""
    finer: Timeframe | None = None
    """What the bars are built from while they are read; None is as they are stored."""

    @property
    def schema(self) -> Schema:
        """The columns of a bar in the answer; features have the types of their own."""
        coin = self.series.instrument.asset_class is AssetClass.CRYPTO
        outside: Schema = {"extended": pl.Boolean()} if self.extended else {}
        forming: Schema = {"forming": pl.Boolean()} if self.forming else {}
        built: Schema = {"built_from": pl.String()} if self.finer else {}
        if self.traded:
            return {**MEASURED, **forming, **(TURNOVER if coin else {})}
        return {**MEASURED, **VERDICT, **built, **outside, **forming, **(COIN if coin else {})}

    @property
    def derived(self) -> tuple[str, ...]:
        """The features that are not in the bar already under the same name, as `long_short_ratio` of coins is."""
        return tuple(name for name in self.features if name not in self.schema)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of all columns in the answer."""
        return (*self.schema, *self.derived)

    @property
    def plain(self) -> bool:
        """Whether the bars are wanted just as they are stored now."""
        return self.adjust is Adjust.NONE and self.as_of is None and self.finer is None

    def after(self, moment: datetime) -> Selection:
        """What is left of it behind a bar."""
        start = max(self.span.start, moment + timedelta(microseconds=1))
        return replace(self, span=Span(start, max(start, self.span.end)))


def statement(selection: Selection, *, newest_first: bool = False) -> bytes:
    """The SQL of a selection, for `parameters`; `source` comes as its number."""
    columns, features = tuple(selection.schema), selection.derived
    return _statement(columns, features, forming=selection.forming, newest_first=newest_first)


def parameters(selection: Selection, limit: int) -> list[Any]:
    """What `$1`, `$2`, … of the statement stand for."""
    key = [selection.series.instrument.number, selection.series.timeframe.code]
    bounds = [selection.span.start, selection.span.end]
    return [*key, *bounds, selection.extended, selection.validated_only, selection.min_quality, limit]


@lru_cache(maxsize=256)
def _statement(columns: tuple[str, ...], features: tuple[str, ...], *, forming: bool, newest_first: bool) -> bytes:
    parts = {"order": " DESC" if newest_first else "", "settled": "" if forming else f"\n{query.settled.decode()}"}
    return columned(query.bars, columns, features, **{name: sql.SQL(part) for name, part in parts.items()})


def columned(template: bytes, columns: Sequence[str], features: Sequence[str], **parts: sql.Composable) -> bytes:
    """A statement over `bar` with these of its columns, and these features beside them."""
    names = [sql.Identifier("bar", name) for name in columns]
    names += [sql.Identifier("bar_feature", name) for name in features]
    beside = b"\n" + query.features if features else b""
    listed = {"columns": sql.SQL(", ").join(names), "features": sql.SQL(beside.decode())}
    return sql.SQL(template.decode()).format(**listed, **parts).as_bytes()


def bars(db: Database, selection: Selection, limit: int = PAGE) -> pl.DataFrame:
    """The first `limit` bars of a selection, oldest first; `Selection.columns`."""
    return _read(db, selection, limit, sources(db))


def newest(db: Database, selection: Selection, count: int) -> pl.DataFrame:
    """The last `count` bars of a selection, oldest first."""
    return _read(db, selection, count, sources(db), newest_first=True).reverse()


def pages(db: Database, selection: Selection, size: int = PAGE, limit: int | None = None) -> Iterator[pl.DataFrame]:
    """All bars of a selection, or the first `limit`, oldest first, `size` at a time; an empty frame if there are none.

    No connection is held between two pages, so a slow reader keeps nobody waiting.
    """
    names = sources(db)
    return paged(lambda rest, count: _read(db, rest, count, names), selection, size, limit)


def paged(
    read: Callable[[Selection, int], pl.DataFrame], selection: Selection, size: int, limit: int | None
) -> Iterator[pl.DataFrame]:
    """What `read` gives of a selection, or its first `limit` bars, `size` at a time; an empty frame if none."""
    left = sys.maxsize if limit is None else limit
    page = read(selection, min(size, left))
    yield page
    while page.height == size and (left := left - size):
        selection = selection.after(page["time"][-1])
        page = read(selection, min(size, left))
        if page.height:
            yield page


def _read(
    db: Database, selection: Selection, limit: int, names: dict[int, str], *, newest_first: bool = False
) -> pl.DataFrame:
    found = db.frame(statement(selection, newest_first=newest_first), parameters(selection, limit))
    return typed(found, selection, names)


def closes(db: Database, series: Series) -> pl.DataFrame:
    """The time and the close of all regular, settled bars of a series, oldest first."""
    return db.frame(query.closes, [series.instrument.number, series.timeframe.code])


def times(db: Database, series: Series, span: Span) -> pl.Series:
    """When a series has regular, settled bars in a span, oldest first."""
    key = [series.instrument.number, series.timeframe.code]
    return db.frame(query.times, [*key, span.start, span.end])["time"].cast(INSTANT)


def typed(found: pl.DataFrame, selection: Selection, names: dict[int, str]) -> pl.DataFrame:
    """What the database answered to a selection, in the types of its schema, sources by their names."""
    if "source" in found.columns:
        found = found.with_columns(pl.col("source").replace_strict(names, default=None, return_dtype=pl.String))
    return found.cast(selection.schema)  # type: ignore[arg-type]


def sources(db: Database) -> dict[int, str]:
    """The names of the sources by their numbers."""
    with db.connection() as connection:
        return instruments.source_names(connection)


def totals(connection: Connection) -> dict[str, Any]:
    """What the warehouse holds in all: instruments, series, tracked, bars, first_bar, last_bar, revised_at, …"""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query.totals).fetchone() or {}


def described(connection: Connection) -> list[dict[str, Any]]:
    """Every series with what is stored of it, and the mean quality of its newest bars."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query.described, {"newest": NEWEST}).fetchall()


def fetches(connection: Connection, series: Series, limit: int = 10) -> list[dict[str, Any]]:
    """The latest fetches of a series, newest first."""
    told = {"symbol": series.instrument.symbol, "asset_class": series.instrument.asset_class}
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query.fetches, {**told, "timeframe": series.timeframe, "limit": limit}).fetchall()
