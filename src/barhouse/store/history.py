"""Bars as they were known at an instant: what came, left or was corrected later is undone."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import polars as pl
from psycopg import sql

from barhouse.model import MEASURES
from barhouse.store import reading
from barhouse.store.postgres import Database
from barhouse.store.queries import queries
from barhouse.store.reading import PAGE, Selection

query = queries("history")

CORRECTED = frozenset({*MEASURES, "source"})
"""The columns of a bar that a correction can change."""


def bars(db: Database, selection: Selection, limit: int = PAGE) -> pl.DataFrame:
    """The first `limit` bars of a selection as they were known at its `as_of`, oldest first, without features.

    Bars first stored later are absent, fields corrected later show the old value, bars that have left or come back
    since are as they were. Verdicts (`validated`, `quality_score`, `flags`) are today's. One statement, so that no
    write falls in between.
    """
    return _read(db, selection, limit, reading.sources(db))


def newest(db: Database, selection: Selection, count: int) -> pl.DataFrame:
    """The last `count` bars of a selection as they were known at its `as_of`, oldest first."""
    return _read(db, selection, count, reading.sources(db), newest_first=True).reverse()


def pages(db: Database, selection: Selection, size: int = PAGE, limit: int | None = None) -> Iterator[pl.DataFrame]:
    """All bars of a selection as they were known, or the first `limit`, `size` at a time; an empty frame if none."""
    names = reading.sources(db)
    return reading.paged(lambda rest, count: _read(db, rest, count, names), selection, size, limit)


def _read(
    db: Database, selection: Selection, limit: int, names: dict[int, str], *, newest_first: bool = False
) -> pl.DataFrame:
    statement = _statement(tuple(selection.schema), newest_first=newest_first)
    found = db.frame(statement, [*reading.parameters(selection, limit), selection.as_of])
    return reading.typed(found, selection, names)


@lru_cache(maxsize=16)
def _statement(columns: tuple[str, ...], *, newest_first: bool) -> bytes:
    corrected = [name for name in columns if name in CORRECTED]
    parts: dict[str, Any] = {
        "firsts": sql.SQL(", ").join(map(_first, corrected)),
        "columns": sql.SQL(", ").join(map(_then, columns)),
        "wanted": sql.SQL(query.wanted.decode()),
        "order": sql.SQL(" DESC" if newest_first else ""),
    }
    return sql.SQL(query.bars.decode()).format(**parts).as_bytes()


def _first(name: str) -> sql.Composed:
    return sql.SQL(query.first.decode()).format(name=sql.Literal(name), field=sql.Identifier(name))


def _then(name: str) -> sql.Composable:
    if name not in CORRECTED:
        return sql.Identifier("bar", name)
    cast = sql.SQL("::smallint" if name == "source" else "")
    return sql.SQL(query.then.decode()).format(field=sql.Identifier(name), cast=cast)
