"""Bars as they were known at an instant, with the features that followed from them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import polars as pl

from barhouse import features
from barhouse.flow import holes, sessions
from barhouse.model import Span
from barhouse.store import actions, history
from barhouse.store.postgres import Database
from barhouse.store.reading import ALL_TIME, PAGE, Selection


def bars(db: Database, selection: Selection, limit: int = PAGE) -> pl.DataFrame:
    """The first `limit` bars of a selection as they were known at its `as_of`; `Selection.columns`."""
    return _featured(db, selection, history.bars(db, selection, limit))


def newest(db: Database, selection: Selection, count: int) -> pl.DataFrame:
    """The last `count` bars of a selection as they were known at its `as_of`, oldest first."""
    return _featured(db, selection, history.newest(db, selection, count))


def pages(db: Database, selection: Selection, size: int = PAGE, limit: int | None = None) -> Iterator[pl.DataFrame]:
    """All bars of a selection as they were known, or the first `limit`, `size` at a time; an empty frame if none."""
    return (_featured(db, selection, page) for page in history.pages(db, selection, size, limit))


def _featured(db: Database, selection: Selection, page: pl.DataFrame) -> pl.DataFrame:
    """A page with the features that are wanted, computed from all bars that bear on them."""
    if not selection.derived:
        return page
    computed = _computed(db, selection, page).select("time", *selection.derived)
    return page.join(computed, on="time", how="left", maintain_order="left").select(selection.columns)


def _computed(db: Database, selection: Selection, page: pl.DataFrame) -> pl.DataFrame:
    """The features of the regular bars of a page."""
    series = selection.series
    instrument = series.instrument
    around = _around(db, selection, page).with_columns(instrument=pl.lit(instrument.number, pl.Int32))
    with db.connection() as connection:
        splits = actions.splits(connection, [instrument.number], selection.as_of)
        read = holes.read(connection, [instrument.number], series.timeframe)
    return features.compute(
        around,
        asset_class=instrument.asset_class,
        timeframe=series.timeframe,
        calendar=sessions.calendar(db, instrument.exchange),
        splits=splits,
        read=read,
    )


def _around(db: Database, selection: Selection, page: pl.DataFrame) -> pl.DataFrame:
    """All regular bars from the warm-up of a page to its end, whatever their quality."""
    whole = Selection(selection.series, as_of=selection.as_of)
    if page.is_empty():
        return history.bars(db, whole, 0)
    first, last = page["time"][0], page["time"][-1]
    warmup = features.warmup(selection.series.instrument.asset_class, selection.series.timeframe)
    before = history.newest(db, replace(whole, span=Span(ALL_TIME.start, first)), warmup)
    within = history.bars(db, replace(whole, span=Span(first, last + timedelta(microseconds=1))), sys.maxsize)
    return pl.concat([before, within])
