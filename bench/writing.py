"""How fast bars become durable, beside COPY of bytes that are ready."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import polars as pl
import psycopg

from barhouse.calendar import Calendar
from barhouse.flow.backfill import KEEPERS
from barhouse.flow.batch import Batch
from barhouse.flow.ingest import keep
from barhouse.model import Timeframe
from barhouse.sources.base import Fetched
from barhouse.store import bars
from barhouse.store.copying import encoded
from barhouse.store.postgres import Database
from bench.data import MILLION, answers
from bench.harness import RUNS, Figure, copied, emptied, figure, in_turn, medians, seconds, warehouse

CHUNK = 20_000
"""Rows at a time that the ceiling sends."""

TOGETHER = 10
"""Series a transaction, as in a backfill."""


@dataclass(frozen=True, slots=True)
class Ready:
    """Bytes of one table, ready to be sent."""

    table: str
    columns: list[str]
    chunks: list[bytes]

    @classmethod
    def of(cls, db: Database, table: str) -> Ready:
        """What is in a table now, without the columns that are NULL throughout."""
        frame = db.frame(f"SELECT * FROM {table} ORDER BY instrument, time".encode())
        filled = [name for name in frame.columns if frame[name].null_count() < frame.height]
        return cls(table, filled, list(encoded(frame.select(filled), CHUNK)))

    def send(self, connection: psycopg.Connection) -> None:
        """COPY it."""
        copied(connection, self.table, self.columns, self.chunks)


def keep_all(db: Database, batches: Sequence[Batch]) -> int:
    """All batches through the flow, so many at a time as a backfill keeps; the bars that were new."""
    with ThreadPoolExecutor(KEEPERS) as keepers:
        return sum(fetch.inserted for kept in keepers.map(lambda batch: keep(db, batch), batches) for fetch in kept)


def batches_of(calendar: Calendar, fetched: list[Fetched]) -> list[Batch]:
    """Answers as a backfill would keep them."""
    return [Batch(fetched[at : at + TOGETHER], calendar) for at in range(0, len(fetched), TOGETHER)]


def rows_a_second(name: str, mine: float, top: float, ratio: float) -> Figure:
    """A figure of writing a million bars."""
    return Figure(name, MILLION / mine, "bars/s", MILLION / top, ratio)


@figure
def ingest_new() -> Figure:
    """New bars, from a frame of judged bars to durable rows with true counts, beside COPY into the same table."""
    with warehouse() as db:
        calendar, fetched = answers(db)
        keep_all(db, batches_of(calendar, fetched))
        ready = Ready.of(db, "bar")
        stored = db.frame(b"SELECT * FROM bar ORDER BY instrument, time").cast(bars.COLUMNS)  # type: ignore[arg-type]
        keys = stored["instrument"].unique().sort().to_list()
        groups = [
            stored.filter(pl.col("instrument").is_in(keys[at : at + TOGETHER])) for at in range(0, len(keys), TOGETHER)
        ]
        return rows_a_second(
            "ingest_new",
            *in_turn(
                lambda: [_write(db, group) for group in groups],
                lambda: copy(db, ready),
                before=lambda: emptied(db),
            ),
        )


@figure
def ingest_new_features() -> Figure:
    """New bars through the whole flow with its 22 features, beside COPY of both into the same tables."""
    with warehouse() as db:
        calendar, fetched = answers(db)
        batches = batches_of(calendar, fetched)
        keep_all(db, batches)
        ready = [Ready.of(db, "bar"), Ready.of(db, "bar_feature")]
        return rows_a_second(
            "ingest_new_features",
            *in_turn(
                lambda: keep_all(db, batches),
                lambda: copy(db, *ready),
                before=lambda: emptied(db),
            ),
        )


@figure
def ingest_unchanged() -> Figure:
    """The same bars again through the whole flow, which writes none, beside COPY of so many new ones."""
    with warehouse() as db:
        calendar, fetched = answers(db)
        batches = batches_of(calendar, fetched)
        keep_all(db, batches)
        ready = Ready.of(db, "bar")

        def again() -> None:
            emptied(db)
            keep_all(db, batches)

        pairs = []
        for _ in range(RUNS + 1):
            again()
            mine = seconds(lambda: keep_all(db, batches))
            emptied(db)
            pairs.append((mine, seconds(lambda: copy(db, ready))))
        return rows_a_second("ingest_unchanged", *medians(pairs[1:]))


def _write(db: Database, group: pl.DataFrame) -> int:
    """Keep judged bars: lock, look what is there, COPY what is new, stamp."""
    with db.transaction() as connection:
        instruments = group["instrument"].unique(maintain_order=True)
        bars.lock(connection, Timeframe.M1, instruments)
        [source] = group["source"].unique()
        found = bars.compared(db, connection, group, Timeframe.M1, source=source, outranks={source})
        bars.insert(connection, found.new)
        ranges = found.new.group_by("instrument").agg(
            first=pl.col("time").min(), last=pl.col("time").max(), inserted=pl.len()
        )
        bars.stamp(connection, ranges, Timeframe.M1)
        return found.new.height


def copy(db: Database, *ready: Ready) -> None:
    """Send bytes that are ready, all in one transaction."""
    with db.transaction() as connection:
        for table in ready:
            table.send(connection)
