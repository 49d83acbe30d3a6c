"""What it brings to fetch several series at the same time, where a vendor's answers take their time."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from barhouse.api import vendor_side
from barhouse.flow import sessions
from barhouse.model import Series, Timeframe
from barhouse.scheduler.worker import working
from barhouse.store.jobs import Kind
from barhouse.store.postgres import Database
from bench.data import series_of
from bench.harness import Figure, emptied, figure, warehouse
from bench.pipeline import asking, brought, stock

SIXTY = 60
LATENCY = 0.1
"""Seconds that the vendor side takes longer for each answer; the first bars of a series take three."""


@figure
def parallel_3() -> Figure:
    """How much faster a backfill of sixty series is with three at once; aim: 2.7 where a series costs 50 ms at most."""
    return _parallel("parallel_3", 3)


@figure
def parallel_10() -> Figure:
    """How much faster a backfill of sixty series is with ten at once; aim: 0.8 of min(10, (latency + cost) / cost)."""
    return _parallel("parallel_10", 10)


def _parallel(name: str, at_once: int) -> Figure:
    """The speed-up, beside what is left to gain when a series costs what it costs without latency, one at a time."""
    with warehouse() as db, tempfile.TemporaryDirectory(prefix="barhouse-shelf-") as shelf:
        every = series_of(db, SIXTY, Timeframe.D1)
        stock(Path(shelf), every, sessions.calendar(db, "XNYS"))
        with vendor_side.running(Path(shelf)) as vendors:
            cost = _seconds(db, every, vendors, 1) / SIXTY
        with vendor_side.running(Path(shelf), faults=f"latency seconds={LATENCY}") as slow:
            serial, parallel = (_seconds(db, every, slow, each) for each in (1, at_once))
    ceiling = min(at_once, (LATENCY + cost) / cost)
    details = {"cost_ms": 1000 * cost, "serial_s": serial, "parallel_s": parallel}
    return Figure(name, serial / parallel, "times", ceiling, serial / parallel / ceiling, details)


def _seconds(db: Database, every: list[Series], vendors: str, at_once: int) -> float:
    """How long a worker takes for a job of all series, so many of them at a time."""
    emptied(db)
    with working(db, asking(vendors, max_concurrent_symbols=at_once)):
        brought(db, every[:1], Kind.BACKFILL)
        emptied(db)
        began = time.perf_counter()
        brought(db, every, Kind.BACKFILL)
        return time.perf_counter() - began
