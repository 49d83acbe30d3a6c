"""How fast stored bars are judged, and how fast that is told."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import polars as pl

from barhouse.flow import sessions
from barhouse.flow.batch import Batch
from barhouse.flow.causes import EVERYTHING
from barhouse.flow.ingest import keep
from barhouse.flow.judging import found, groups, seen
from barhouse.flow.sweep import detect_data_anomalies, sweep
from barhouse.model import BARS, Instrument, Series, Span, Timeframe
from barhouse.sources.base import Fetched
from barhouse.store import instruments, quality
from barhouse.store.postgres import Database
from bench.data import EXPECTS, MILLION, answers, real_bars, series_of
from bench.harness import RUNS, Figure, figure, in_turn, seconds, warehouse
from bench.reading import serving
from bench.writing import batches_of, keep_all

NOW = datetime(2024, 1, 1, tzinfo=UTC)
SERIES = 50
DECADE = Span(datetime(2013, 6, 1, tzinfo=UTC), datetime(2023, 6, 1, tzinfo=UTC))
YEAR = Span(datetime(2022, 6, 1, tzinfo=UTC), datetime(2023, 6, 1, tzinfo=UTC))
ASKED, SECONDS = 4, 3.0


@figure
def checks_million() -> Figure:
    """Seconds for all checks of a million stored bars in 50 series, reading included; aim: 2, and 4 times the reading.

    The details say how much of the bars is found at fault, and how long a whole sweep takes, which keeps that too.
    """
    with _filled() as db:
        keys = [each.instrument.number for each in series_of(db, SERIES)]
        told: list[int] = []
        mine, top, ratio = in_turn(
            lambda: told.append(_judged(db, keys)), lambda: quality.bars(db, keys, [Timeframe.M1])
        )
        again = [seconds(lambda: sweep(db, series_of(db, SERIES), now=NOW)) for _ in range(2)]
        details = {"bars": MILLION, "times_reading": 1 / ratio, "found": told[-1], "sweep_s": again}
        return Figure("checks_million", mine, "s", top, ratio, details)


def _judged(db: Database, keys: list[int]) -> int:
    """Read and check all series; how many rows the detectors tell."""
    count = 0
    with db.transaction() as connection:
        for group in groups(quality.series(connection, keys)):
            read = seen(db, connection, group)
            count += sum(frame.height for frame in found(read, [Timeframe.M1], EVERYTHING, NOW).values())
    return count


@figure
def sweep_symbol() -> Figure:
    """Milliseconds to find all that is wrong with 10 years of days and a year of hours, beside reading these bars."""
    with warehouse() as db:
        series = [_stored(db, Timeframe.D1, DECADE), _stored(db, Timeframe.H1, YEAR)]
        key = series[0].instrument.number
        mine, top, ratio = in_turn(
            lambda: detect_data_anomalies(db, "BENCH"),
            lambda: quality.bars(db, [key], [each.timeframe for each in series]),
            runs=4 * RUNS,
        )
        return Figure("sweep_symbol", mine * 1000, "ms", top * 1000, ratio)


@figure
def quality_endpoint() -> Figure:
    """Milliseconds that 99 of 100 answers of the quality endpoint stay under at a million bars; aim: 50."""
    with _filled() as db:
        sweep(db, series_of(db, SERIES), now=NOW)
        with serving(db, "barhouse.api.app:create") as address:
            urls = [f"{address}/api/v1/{path}" for path in ("data/quality/BENCH07?days=365", "status")]
            runs = [[_load(url) for url in urls] for _ in range(RUNS + 1)][1:]
    mine, top = (statistics.median(run[n]["p99_ms"] for run in runs) for n in (0, 1))
    rate = statistics.median(run[0]["requests_s"] for run in runs)
    return Figure("quality_endpoint", mine, "ms", top, top / mine, {"requests_s": rate, "connections": ASKED})


def _load(url: str) -> dict[str, float]:
    """What a few connections saw that ask again and again."""
    command = [sys.executable, "-m", "bench.load", url, str(ASKED), str(SECONDS)]
    told: dict[str, float] = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return told


@contextmanager
def _filled() -> Iterator[Database]:
    """A warehouse with a million minute bars in 50 series."""
    with warehouse() as db:
        keep_all(db, batches_of(*answers(db, MILLION, SERIES)))
        with db.connection() as connection:
            connection.execute("VACUUM ANALYZE bar")
        yield db


def _stored(db: Database, timeframe: Timeframe, span: Span) -> Series:
    """A series with real prices in every slot of a span."""
    calendar = sessions.calendar(db, "XNYS")
    with db.transaction() as connection:
        series = instruments.add_series(connection, Series(Instrument("BENCH"), timeframe))
    slots = calendar.expected(timeframe, span)["time"]
    real = real_bars()[: len(slots)]
    bars = real.with_columns(
        time=slots, extended=pl.lit(value=False), forming=pl.lit(value=False), vwap="close", trades=pl.lit(100.0)
    )
    frame = bars.select(
        pl.col(name) if name in bars.columns else pl.lit(None, kind).alias(name) for name, kind in BARS.items()
    )
    raw = pl.DataFrame({"row": pl.int_range(frame.height, eager=True)})
    fetched = Fetched(series, "polygon", span, frame.with_row_index("origin").select(*BARS, "origin"), raw, EXPECTS)
    keep(db, Batch([fetched], calendar))
    return series
