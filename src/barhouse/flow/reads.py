"""Bars for whoever asks: as they are stored, as they were known once, adjusted for splits and dividends."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from barhouse.store import reading
from barhouse.store.postgres import Database
from barhouse.store.reading import PAGE, Selection


def bars(db: Database, selection: Selection, limit: int = PAGE) -> pl.DataFrame:
    """The first `limit` bars of a selection, oldest first; `Selection.columns`."""
    return reading.bars(db, selection, limit)


def newest(db: Database, selection: Selection, count: int) -> pl.DataFrame:
    """The last `count` bars of a selection, oldest first."""
    return reading.newest(db, selection, count)


def pages(db: Database, selection: Selection, size: int = PAGE, limit: int | None = None) -> Iterator[pl.DataFrame]:
    """All bars of a selection, or the first `limit`, oldest first, `size` at a time; an empty frame if there are none.

    No connection is held between two pages, so a slow reader keeps nobody waiting.
    """
    return reading.pages(db, selection, size, limit)
