"""How a figure is measured: ours and the ceiling in turn, so that a change of the machine's mood meets both."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from barhouse import features
from barhouse.store.embedded import running
from barhouse.store.migrate import migrate
from barhouse.store.postgres import Database

RUNS = 5


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of `make bench`: a value, the ceiling of the same run, and how near it comes."""

    name: str
    value: float
    unit: str
    ceiling: float
    ratio: float
    details: dict[str, Any] = field(default_factory=dict)

    def line(self) -> str:
        """As one line of JSON."""
        return json.dumps(asdict(self))


registry: dict[str, Callable[[], Figure]] = {}


def figure(measure: Callable[[], Figure]) -> Callable[[], Figure]:
    """Enrol a measurement under the name of its function."""
    registry[measure.__name__] = measure
    return measure


def seconds(work: Callable[[], object]) -> float:
    """How long `work` takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def in_turn(
    ours: Callable[[], object],
    ceiling: Callable[[], object],
    *,
    before: Callable[[], object] = lambda: None,
    runs: int = RUNS,
) -> tuple[float, float, float]:
    """Median seconds of ours and of the ceiling, run in turn after one warm-up, and the median of their ratios.

    The ratio is ceiling ÷ ours, run by run: 1 means as fast as the ceiling, more is better.
    """
    pairs = []
    for _ in range(runs + 1):
        before()
        mine = seconds(ours)
        before()
        pairs.append((mine, seconds(ceiling)))
    return medians(pairs[1:])


def medians(pairs: Sequence[tuple[float, float]]) -> tuple[float, float, float]:
    """The medians of ours, of the ceiling, and of ceiling ÷ ours pair by pair."""
    mine, top = zip(*pairs, strict=True)
    return statistics.median(mine), statistics.median(top), statistics.median(b / a for a, b in pairs)


@contextmanager
def warehouse() -> Iterator[Database]:
    """An empty warehouse on an embedded PostgreSQL with its default durability, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="barhouse-bench-") as home, running(Path(home) / "data") as url:
        migrate(url, {name: feature.sql_type for name, feature in features.registry.items()})
        with Database(url) as db:
            yield db


def emptied(db: Database) -> None:
    """Take all bars out, and let no checkpoint of earlier work fall into the next measurement."""
    with db.connection() as connection:
        connection.execute("TRUNCATE bar, bar_feature, coverage, enrichment_fetch_log, data_corrections, quarantine")
        connection.execute("UPDATE series SET bars = 0, first_bar = NULL, last_bar = NULL")
        connection.execute("CHECKPOINT")


def copied(connection: psycopg.Connection, table: str, columns: list[str], chunks: list[bytes]) -> None:
    """The ceiling of all writing: bytes that are ready, sent by COPY."""
    statement = psycopg.sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
        psycopg.sql.Identifier(table), psycopg.sql.SQL(", ").join(map(psycopg.sql.Identifier, columns))
    )
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for chunk in chunks:
            copy.write(chunk)
