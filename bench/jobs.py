"""How fast jobs are asked for, and how many the queue carries."""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from barhouse.flow.track import track
from barhouse.model import Instrument, Timeframe
from barhouse.store.postgres import Database
from barhouse.store.queue import QUEUE, TASK
from bench.harness import Figure, figure, warehouse
from bench.reading import serving

SYMBOLS = [f"BENCH{number:03}" for number in range(500)]
TRIGGER, STATUS = "/api/v1/enrichment/trigger", "/api/v1/status"
WHOLE = 30
"""So often all series are asked for at once."""

NOOPS = 500
WORKERS = (1, 2, 4)
PATIENCE = 120.0

DEFER = """
SELECT barhouse_queue.procrastinate_defer_jobs_v1(array_agg(
    ROW (%(queue)s, %(task)s, 0, NULL, NULL, jsonb_build_object('execution', gen_random_uuid()), NULL)
    ::barhouse_queue.procrastinate_job_to_defer_v1))
FROM generate_series(1, %(count)s)
"""
LEFT = "SELECT count(*) FROM barhouse_queue.procrastinate_jobs"
FORGET = "DELETE FROM barhouse_queue.procrastinate_workers"
READY = "SELECT count(*) FROM barhouse_queue.procrastinate_workers"


@figure
def trigger_endpoint() -> Figure:
    """99 of 100 triggers of a symbol among 500 tracked take so many ms; aim: 50. The ceiling is `GET status`.

    The details say the same of a trigger that finds its job running, and of all 500 series at once.
    """
    with warehouse() as db:
        track(db, map(Instrument, SYMBOLS), [Timeframe.D1], datetime.now(UTC) - timedelta(days=365))
        with serving(db, "barhouse.api.app:create") as address, httpx.Client(base_url=address, timeout=60) as web:
            for _ in range(20):
                _took(web, "GET", STATUS)
            pairs = [(_took(web, "POST", TRIGGER, each), _took(web, "GET", STATUS)) for each in SYMBOLS]
            again = [_took(web, "POST", TRIGGER, each) for each in SYMBOLS]
            whole = [_took(web, "POST", TRIGGER) for _ in range(WHOLE)]
    mine, top = (_p99(each) for each in zip(*pairs, strict=True))
    details = {"median_ms": statistics.median(ours for ours, _ in pairs), "running_p99_ms": _p99(again)}
    details |= {"all_500_median_ms": statistics.median(whole), "all_500_most_ms": max(whole)}
    return Figure("trigger_endpoint", mine, "ms", top, top / mine, details)


def _took(web: httpx.Client, method: str, path: str, symbol: str | None = None) -> float:
    """Milliseconds until an answer was there."""
    start = time.perf_counter()
    response = web.request(method, path, params={"symbol": symbol} if symbol else {})
    took = 1000 * (time.perf_counter() - start)
    response.raise_for_status()
    return took


def _p99(took: tuple[float, ...] | list[float]) -> float:
    return sorted(took)[int(len(took) * 0.99)]


@figure
def noop_jobs() -> Figure:
    """Jobs a second that find their work done, by the best number of workers; beside the bare library's, likewise."""
    with warehouse() as db:
        ours = {str(count): _rate(db, count, _worker) for count in WORKERS}
        bare = {str(count): _rate(db, count, _bare) for count in WORKERS}
    mine, top = max(ours.values()), max(bare.values())
    return Figure("noop_jobs", mine, "jobs/s", top, mine / top, {"workers": ours, "bare": bare})


def _rate(db: Database, count: int, start: Callable[[str], subprocess.Popen[bytes]]) -> float:
    """Jobs a second, once all workers wait for them."""
    with db.connection() as connection:
        connection.execute(FORGET)
    with _started(db, count, start), db.connection() as connection:
        _until(db, READY, count)
        began = time.perf_counter()
        connection.execute(DEFER.encode(), {"queue": QUEUE, "task": TASK, "count": NOOPS})
        _until(db, LEFT, 0)
        took = time.perf_counter() - began
    return round(NOOPS / took, 1)


@contextmanager
def _started(db: Database, count: int, start: Callable[[str], subprocess.Popen[bytes]]) -> Iterator[None]:
    with ExitStack() as stack:
        for _ in range(count):
            stack.callback(_ended, start(db.url))
        yield


def _ended(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)
    process.wait(30)


def _worker(url: str) -> subprocess.Popen[bytes]:
    return _process(url, Path(sys.executable).with_name("barhouse"), "worker")


def _bare(url: str) -> subprocess.Popen[bytes]:
    return _process(url, sys.executable, "-m", "bench.noop")


def _process(url: str, *command: str | Path) -> subprocess.Popen[bytes]:
    there, nowhere = os.environ | {"DATABASE_URL": url}, subprocess.DEVNULL
    return subprocess.Popen(command, env=there, stdout=nowhere, stderr=nowhere)


def _until(db: Database, question: str, wanted: int) -> None:
    """Wait until a count is what it should be."""
    deadline = time.monotonic() + PATIENCE
    with db.connection() as connection:
        while connection.execute(question.encode()).fetchall() != [(wanted,)]:
            if time.monotonic() > deadline:
                raise TimeoutError(question)
            time.sleep(0.02)
