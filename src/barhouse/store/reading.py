"""Bars for whoever asks: as frames of any length, page by page, or the SQL for a reader of rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, LiteralString, cast

import polars as pl
from psycopg import Connection, sql
from psycopg.rows import dict_row

from barhouse.model import EXTRAS, INPUTS, INSTANT, PRICES, AssetClass, Schema, Series, Span
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


@dataclass(frozen=True, slots=True)
class Selection:
    """Which bars of a series are wanted, and with which features beside them (names of columns)."""

    series: Series
    span: Span = ALL_TIME
    validated_only: bool = False
    min_quality: float = 0.0
    extended: bool = False
    """Whether bars outside the regular session are wanted too."""
    features: tuple[str, ...] = ()

    @property
    def schema(self) -> Schema:
        """The columns of a bar in the answer; features have the types of their own."""
        coin = self.series.instrument.asset_class is AssetClass.CRYPTO
        outside: Schema = {"extended": pl.Boolean()} if self.extended else {}
        return {**MEASURED, **VERDICT, **outside, **(COIN if coin else {})}

    @property
    def derived(self) -> tuple[str, ...]:
        """The features that are not in the bar already under the same name, as `long_short_ratio` of coins is."""
        return tuple(name for name in self.features if name not in self.schema)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of all columns in the answer."""
        return (*self.schema, *self.derived)

    def after(self, moment: datetime) -> Selection:
        """What is left of it behind a bar."""
        start = max(self.span.start, moment + timedelta(microseconds=1))
        return replace(self, span=Span(start, max(start, self.span.end)))


def statement(selection: Selection, *, newest_first: bool = False) -> bytes:
    """The SQL of a selection, for `parameters`; `source` comes as its number."""
    return _statement(tuple(selection.schema), selection.derived, newest_first=newest_first)


def parameters(selection: Selection, limit: int) -> list[Any]:
    """What `$1`, `$2`, … of the statement stand for."""
    key = [selection.series.instrument.number, selection.series.timeframe.code]
    bounds = [selection.span.start, selection.span.end]
    return [*key, *bounds, selection.extended, selection.validated_only, selection.min_quality, limit]


@lru_cache(maxsize=256)
def _statement(columns: tuple[str, ...], features: tuple[str, ...], *, newest_first: bool) -> bytes:
    names = [sql.Identifier("bar", name) for name in columns]
    names += [sql.Identifier("bar_feature", name) for name in features]
    beside = b"\n" + query.features if features else b""
    return (
        sql.SQL(_literal(query.bars))
        .format(
            columns=sql.SQL(", ").join(names),
            features=sql.SQL(_literal(beside)),
            order=sql.SQL(" DESC" if newest_first else ""),
        )
        .as_bytes()
    )


def _literal(text: bytes) -> LiteralString:
    """A query of ours, which nobody else wrote anything into."""
    return cast("LiteralString", text.decode())


def bars(db: Database, selection: Selection, limit: int = PAGE) -> pl.DataFrame:
    """The first `limit` bars of a selection, oldest first; `Selection.columns`."""
    return _read(db, selection, limit, _sources(db))


def newest(db: Database, selection: Selection, count: int) -> pl.DataFrame:
    """The last `count` bars of a selection, oldest first."""
    return _read(db, selection, count, _sources(db), newest_first=True).reverse()


def pages(db: Database, selection: Selection, size: int = PAGE) -> Iterator[pl.DataFrame]:
    """All bars of a selection, oldest first, `size` at a time; one frame without rows if there are none.

    No connection is held between two pages, so a slow reader keeps nobody waiting.
    """
    names = _sources(db)
    page = _read(db, selection, size, names)
    yield page
    while page.height == size:
        selection = selection.after(page["time"][-1])
        page = _read(db, selection, size, names)
        if page.height:
            yield page


def _read(
    db: Database, selection: Selection, limit: int, names: dict[int, str], *, newest_first: bool = False
) -> pl.DataFrame:
    found = db.frame(statement(selection, newest_first=newest_first), parameters(selection, limit))
    named = pl.col("source").replace_strict(names, default=None, return_dtype=pl.String)
    return found.with_columns(named).cast(selection.schema)  # type: ignore[arg-type]


def _sources(db: Database) -> dict[int, str]:
    with db.connection() as connection:
        return instruments.source_names(connection)


def totals(connection: Connection) -> dict[str, Any]:
    """What the warehouse holds in all: instruments, series, tracked, bars, first_bar, last_bar, revised_at."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query.totals).fetchone() or {}


def quality(connection: Connection, newest: int = NEWEST) -> dict[tuple[int, int], float | None]:
    """The mean quality of the newest bars of each series, by the numbers of its instrument and timeframe."""
    rows = connection.execute(query.quality, {"newest": newest})
    return {(instrument, timeframe): mean for instrument, timeframe, mean in rows}
