"""How fast bars are read as they were known once, beside reading them as they are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

import polars as pl

from barhouse.flow import instruments
from barhouse.flow.ingest import keep
from barhouse.model import Series, Timeframe
from barhouse.sources.base import Fetched
from barhouse.store import history, reading
from barhouse.store.postgres import Database
from barhouse.store.reading import Selection
from bench.data import MILLION, answers
from bench.harness import Figure, figure, in_turn, warehouse
from bench.writing import batches_of, keep_all

SERIES = 10
BARS = MILLION // SERIES


@figure
def as_of_read() -> Figure:
    """100 k of 1 M bars, 1 % of them corrected since, as of before; beside the plain read; aim: at most twice as long.

    The details say the same of a page of 1,000 bars.
    """
    with _restated() as (db, before):
        now = Selection(Series(instruments.find(db, "BENCH00"), Timeframe.M1))
        then = replace(now, as_of=before)
        _told_apart(history.bars(db, then, BARS), reading.bars(db, now, BARS))
        mine, top, ratio = in_turn(lambda: history.bars(db, then, BARS), lambda: reading.bars(db, now, BARS))
        page = in_turn(lambda: history.bars(db, then, 1_000), lambda: reading.bars(db, now, 1_000))
        details = {"page_ms": page[0] * 1000, "page_plain_ms": page[1] * 1000}
        return Figure("as_of_read", mine * 1000, "ms", top * 1000, 1 / ratio, details)


@contextmanager
def _restated() -> Iterator[tuple[Database, datetime]]:
    """A warehouse with a million bars, of which the source restated one in a hundred; and an instant before that."""
    with warehouse() as db:
        calendar, fetched = answers(db, MILLION, SERIES)
        keep_all(db, batches_of(calendar, fetched))
        [(before,)] = _asked(db, "SELECT clock_timestamp()")
        for batch in batches_of(calendar, [_one_in_a_hundred(each) for each in fetched]):
            keep(db, batch)
        _asked(db, "VACUUM ANALYZE")
        yield db, before


def _one_in_a_hundred(each: Fetched) -> Fetched:
    """The same answer with every hundredth close and volume told anew."""
    nth = pl.int_range(pl.len()) % 100 == 50
    restated = each.bars.with_columns(
        close=pl.when(nth).then("low").otherwise("close"),
        volume=pl.when(nth).then(pl.col("volume") + 1).otherwise("volume"),
    )
    return replace(each, bars=restated)


def _asked(db: Database, statement: str) -> list[tuple[datetime]]:
    with db.connection() as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def _told_apart(then: pl.DataFrame, now: pl.DataFrame) -> None:
    assert then.height == now.height == BARS
    assert (then["volume"] != now["volume"]).sum() == BARS // 100
