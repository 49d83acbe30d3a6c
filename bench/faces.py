"""What callers of a running Barhouse feel: each endpoint by itself, the hot one with keys and limits, all at once."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil

from barhouse.api import vendor_side
from barhouse.flow import jobs, keys, sessions
from barhouse.flow.plan import Wanted
from barhouse.model import Timeframe
from barhouse.store.jobs import Kind
from barhouse.store.keys import Role, Tier
from barhouse.store.postgres import Database
from bench.data import answers, series_of
from bench.harness import RUNS, Figure, figure, warehouse
from bench.pipeline import YEAR, stock
from bench.reading import serving, until_it_answers
from bench.writing import batches_of, keep_all

SYMBOLS = 50
CALLS = 200
"""Calls of each endpoint."""
AIM = 50.0
"""Milliseconds under which 99 of 100 calls are to stay."""
CONNECTIONS = 16
SECONDS = float(os.environ.get("BARHOUSE_BENCH_SECONDS", "60"))
"""How long `mixed_load` takes."""
SHORT = 3.0

ENDPOINTS = (
    "historical/{symbol}?timeframe=1m&limit=100",
    "historical/{symbol}?timeframe=1m",
    "historical/{symbol}?timeframe=1m&limit=100&features=true",
    "historical/{symbol}?timeframe=1m&limit=100&adjust=all",
    "historical/{symbol}?timeframe=1m&limit=100&as_of=2026-01-01",
    "bars?symbols={symbol},BENCH00&timeframe=1m&limit=100",
    "features/quant/{symbol}?timeframe=1m",
    "symbols",
    "symbols/detailed",
    "status",
    "data/quality/{symbol}",
    "data/anomalies",
    "data/duplicates",
    "data/quarantine",
    "data/corrections/{symbol}",
    "data/actions/{symbol}",
    "enrichment/status/{symbol}",
    "enrichment/metrics",
    "enrichment/history",
    "enrichment/dashboard/overview",
    "enrichment/dashboard/health",
    "enrichment/dashboard/metrics",
    "enrichment/dashboard/job-status/{symbol}",
    "backfill/recent",
    "admin/scheduler-health",
    "admin/features/staleness",
    "admin/scheduler/execution-history",
    "admin/symbols",
    "admin/symbols/{symbol}",
    "admin/api-keys",
    "admin/resilience",
    "admin/health",
    "admin/alerts",
)


@figure
def endpoints_p99() -> Figure:
    """The slowest endpoint: ms under which 99 of 100 of its calls stay, on one connection; aim: 50.

    A million bars of fifty symbols. The ceiling is the aim; the details tell p50, p95 and p99 of each endpoint.
    """
    with crowded() as db, up(db) as (address, _):
        took = {path: _took(address, path) for path in ENDPOINTS}
    told = {path: _percentiles(each) for path, each in took.items()}
    worst = max(each["p99_ms"] for each in told.values())
    return Figure("endpoints_p99", worst, "ms", AIM, AIM / worst, told)


@figure
def historical_rps() -> Figure:
    """Requests a second for 100 bars on 16 connections, with a key and a limit, beside the bare endpoint; aim: 0.7."""
    own = {"BARHOUSE_LIMITS__STANDARD": "1000000"}
    with crowded() as db, up(db, **own) as (ours, _), serving(db, "bench.bare:create") as bare:
        key = keys.create_key(db, "bench", role=Role.READ, tier=Tier.STANDARD, by="bench").text
        urls = (f"{ours}/api/v1/historical/BENCH00?timeframe=1m&limit=100", f"{bare}/bars?limit=101")
        runs = [tuple(_load(url, key) for url in urls) for _ in range(RUNS + 1)][1:]
    mine, top = (statistics.median(each["requests_s"] for each in side) for side in zip(*runs, strict=True))
    ratio = statistics.median(one["requests_s"] / other["requests_s"] for one, other in runs)
    details = {name: statistics.median(one[name] for one, _ in runs) for name in ("p50_ms", "p99_ms")}
    return Figure("historical_rps", mine, "requests/s", top, ratio, details)


@figure
def mixed_load() -> Figure:
    """Requests a second of all sorts on 16 connections for 60 s while a backfill runs, beside the same without one.

    BARHOUSE_BENCH_SECONDS makes it shorter. The details tell errors (aim: 0) and memory (aim: it stays), which doubles
    in the first half minute and stays then (220 MB to 440, with a backfill 490): up to 40 threads have made long
    answers by then, and the heaps keep room for so many at a time. 32 MB of it are answers (`api.kept`).
    """
    with (
        crowded() as db,
        tempfile.TemporaryDirectory(prefix="barhouse-shelf-") as shelf,
        vendor_side.running(_stocked(db, Path(shelf)), faults="latency seconds=0.3") as vendors,
        up(db, **_asking(vendors)) as (address, process),
    ):
        quiet = _mixed(address, max(SECONDS / 6, 2))
        with backfilling(db) as pieces, watched(process) as memory:
            busy = _mixed(address, SECONDS)
        details = {
            **busy,
            **memory.told(),
            "backfills": len(pieces),
            "connections_left": _connections(address, process),
        }
    rate, most = busy["requests_s"], quiet["requests_s"]
    return Figure("mixed_load", rate, "requests/s", most, rate / most, details)


@contextmanager
def crowded() -> Iterator[Database]:
    """A warehouse with a million minute bars of fifty symbols, and their features."""
    with warehouse() as db:
        keep_all(db, batches_of(*answers(db, series=SYMBOLS)))
        with db.connection() as connection:
            connection.execute("VACUUM ANALYZE")
        yield db


@contextmanager
def up(db: Database, **settings: str) -> Iterator[tuple[str, psutil.Process]]:
    """`barhouse up` over a warehouse, as its base URL and its process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    off = {f"BARHOUSE_{name}_ENABLED": "false" for name in ("BACKFILL", "HEALTH")}
    environment = os.environ | {"DATABASE_URL": db.url} | off | settings
    command = [sys.executable, "-m", "barhouse.cli", "up", "--port", str(port)]
    nowhere = subprocess.DEVNULL
    with subprocess.Popen(command, env=environment, stdout=nowhere, stderr=nowhere) as server:
        try:
            address = f"http://127.0.0.1:{port}"
            until_it_answers(address)
            yield address, psutil.Process(server.pid)
        finally:
            server.send_signal(signal.SIGINT)


def _took(address: str, path: str) -> list[float]:
    """Milliseconds that each of so many calls took, sorted; the first ones warm it up."""
    wire = http.client.HTTPConnection(urlsplit(address).netloc, timeout=60)
    took = []
    for number in range(CALLS + 20):
        target = f"/api/v1/{path.format(symbol=f'BENCH{number % SYMBOLS:02}')}"
        start = time.perf_counter()
        wire.request("GET", target)
        answer = wire.getresponse()
        body = answer.read()
        took.append(1000 * (time.perf_counter() - start))
        assert answer.status == 200, (target, answer.status, body[:200])
    wire.close()
    return sorted(took[20:])


def _percentiles(took: list[float]) -> dict[str, float]:
    return {f"p{share}_ms": round(took[len(took) * share // 100], 2) for share in (50, 95, 99)}


def _load(url: str, key: str) -> dict[str, float]:
    """What a load generator in a process of its own saw."""
    command = [sys.executable, "-m", "bench.load", url, str(CONNECTIONS), str(SHORT), key]
    told: dict[str, float] = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return told


def _stocked(db: Database, shelf: Path) -> Path:
    """A shelf on which a year of days of all symbols lies, for the vendor side."""
    stock(shelf, series_of(db, SYMBOLS, Timeframe.D1), sessions.calendar(db, "XNYS"))
    return shelf


def _asking(vendors: str) -> dict[str, str]:
    places = {f"BARHOUSE_{name}_URL": vendors for name in ("POLYGON", "YAHOO", "BINANCE")}
    return {**places, "POLYGON_API_KEY": "bench", "BARHOUSE_POLYGON_CALLS_PER_MINUTE": "0"}


def _mixed(address: str, seconds: float) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.mixing", address, str(CONNECTIONS), str(seconds)]
    told: dict[str, Any] = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    return told


@contextmanager
def backfilling(db: Database) -> Iterator[list[str]]:
    """Backfills of all symbols, one after the other, until this ends; those that came to their end."""
    done: list[str] = []
    ends = threading.Event()
    every = [Wanted(each, YEAR) for each in series_of(db, SYMBOLS, Timeframe.D1)]

    def bring() -> None:
        while not ends.is_set():
            job = jobs.request(db, Kind.BACKFILL, every, by="bench", refresh=True)
            while job["status"] not in ("completed", "failed") and not ends.wait(0.2):
                job = jobs.job(db, job["job_id"])
            done.extend([job["job_id"]] if job["status"] == "completed" else [])

    bringing = threading.Thread(target=bring)
    bringing.start()
    try:
        yield done
    finally:
        ends.set()
        bringing.join()


@dataclass(slots=True)
class Memory:
    """What a process held, looked at again and again."""

    mb: list[float] = field(default_factory=list)

    def told(self) -> dict[str, float]:
        """At the beginning, at most, at the end, and by how much the last third was above the second."""
        third = max(len(self.mb) // 3, 1)
        grown = statistics.median(self.mb[-third:]) - statistics.median(self.mb[third : 2 * third] or self.mb)
        figures = {"rss_first_mb": self.mb[0], "rss_most_mb": max(self.mb), "rss_last_mb": self.mb[-1]}
        return {name: round(each, 1) for name, each in {**figures, "rss_grown_mb": grown}.items()}


@contextmanager
def watched(process: psutil.Process) -> Iterator[Memory]:
    """The memory of a process, looked at five times a second."""
    memory, ends = Memory(), threading.Event()

    def look() -> None:
        while not ends.is_set():
            memory.mb.append(process.memory_info().rss / 1e6)
            ends.wait(0.2)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield memory
    finally:
        ends.set()
        looking.join()


def _connections(address: str, process: psutil.Process) -> int:
    """Connections of clients that a server still holds a moment after they went; its own to vendors are none."""
    time.sleep(1)
    ours = (each for each in process.net_connections("tcp") if each.status != psutil.CONN_LISTEN)
    return sum(each.laddr.port == urlsplit(address).port for each in ours if each.laddr)
