"""How fast bars reach a client, beside the query alone."""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import httpx
import orjson

from barhouse.client import Client
from barhouse.flow import instruments
from barhouse.flow.ingest import keep
from barhouse.model import Series, Timeframe
from barhouse.store import reading
from barhouse.store.postgres import Database
from barhouse.store.reading import Selection
from bench.data import answers
from bench.harness import RUNS, Figure, figure, in_turn, warehouse
from bench.writing import batches_of

BARS = 100_000
PAGE = 50_000
CONNECTIONS = 16
SECONDS = 3.0
TEN, OF = 10, 50
"""Symbols that are asked for, of so many."""
YEARS = 2_520
"""Days in ten years."""
CROSSED = """
WITH named AS (
    INSERT INTO instrument (symbol, asset_class, exchange)
    SELECT unnest(%(names)s::text[]), 'stock', 'XNYS' RETURNING id
), listed AS (
    INSERT INTO series (instrument, timeframe, revision, revised_at, bars) SELECT id, 7, 1, now(), %(days)s FROM named
)
INSERT INTO bar (instrument, timeframe, time, open, high, low, close, volume, validated, quality_score, extended,
                 forming)
SELECT id, 7, '2010-01-01Z'::timestamptz + day * interval '1 day', 100 + day, 101 + day, 99 + day, 100.5 + day,
       1e6 + day, true, 1, false, false
FROM named, generate_series(1, %(days)s) AS day
"""
BARE = b"""
SELECT i.symbol, i.asset_class, bar.time, bar.open, bar.high, bar.low, bar.close, bar.volume, bar.vwap, bar.trades,
       bar.source, bar.validated, bar.quality_score, bar.flags
FROM bar JOIN instrument i ON i.id = bar.instrument
WHERE i.symbol = ANY ($1::text[]) AND bar.timeframe = 7 AND NOT bar.forming
ORDER BY bar.instrument, bar.time
"""
PATIENCE = 180.0


@figure
def read_arrow() -> Figure:
    """100 k bars as a frame at a client, over HTTP in Arrow, beside the bare ADBC query; aim: at most 1.5 times."""
    with _filled() as db, serving(db, "barhouse.api.app:create") as address, Client(address) as client:
        mine, top, ratio = in_turn(lambda: _whole(client), lambda: _query(db))
        return Figure("read_arrow", mine * 1000, "ms", top * 1000, 1 / ratio)


@figure
def read_json() -> Figure:
    """100 k bars at a client, over HTTP as JSON in two pages, beside the bare ADBC query; aim: at most 3 times."""
    with _filled() as db, serving(db, "barhouse.api.app:create") as address, httpx.Client(base_url=address) as web:
        mine, top, ratio = in_turn(lambda: _pages(web), lambda: _query(db))
        size = sum(map(len, _pages(web)))
        return Figure("read_json", mine * 1000, "ms", top * 1000, 1 / ratio, {"megabytes": size / 1e6})


@figure
def cross_section() -> Figure:
    """Ten years of ten symbols' days in one Arrow answer at a client, beside the bare ADBC query; aim: 1.5 times."""
    with _crossed() as db, serving(db, "barhouse.api.app:create") as address, Client(address) as client:
        mine, top, ratio = in_turn(lambda: _ten(client), lambda: _ten_bare(db))
        return Figure("cross_section", mine * 1000, "ms", top * 1000, 1 / ratio, {"bars": TEN * YEARS})


@figure
def historical_100() -> Figure:
    """Requests a second for 100 bars on 16 connections, beside a bare endpoint with the same query; aim: 0.7 of it.

    The details say the same of questions that are all different, so that none was answered or parsed before.
    """
    with (
        _filled() as db,
        serving(db, "barhouse.api.app:create") as ours,
        serving(db, "bench.bare:create") as bare,
    ):
        same = f"{ours}/api/v1/historical/BENCH00?timeframe=1m&limit=100"
        urls = (same, f"{same}&min_quality=0.{{n}}", f"{bare}/bars?limit=101")
        runs = [tuple(map(_load, urls)) for _ in range(RUNS + 1)]
        again, anew, top = zip(*runs[1:], strict=True)
        details = {
            "p50_ms": _median(again, "p50_ms"),
            "p99_ms": _median(again, "p99_ms"),
            "all_different": {name: _median(anew, name) for name in ("requests_s", "p50_ms", "p99_ms")},
            "all_different_ratio": _ratio(anew, top),
        }
        rate, most = _median(again, "requests_s"), _median(top, "requests_s")
        return Figure("historical_100", rate, "requests/s", most, _ratio(again, top), details)


def _median(runs: Sequence[dict[str, float]], name: str) -> float:
    return statistics.median(run[name] for run in runs)


def _ratio(ours: Sequence[dict[str, float]], top: Sequence[dict[str, float]]) -> float:
    return statistics.median(mine["requests_s"] / bare["requests_s"] for mine, bare in zip(ours, top, strict=True))


@contextmanager
def _filled() -> Iterator[Database]:
    """A warehouse with 100 k minute bars and their features."""
    with warehouse() as db:
        for batch in batches_of(*answers(db, BARS, 1)):
            keep(db, batch)
        with db.connection() as connection:
            connection.execute("VACUUM ANALYZE bar")
        yield db


@contextmanager
def _crossed() -> Iterator[Database]:
    """A warehouse with ten years of ten symbols' days, which lie between those of forty others."""
    with warehouse() as db:
        names = [f"CROSS{number:02}" for number in range(OF)]
        with db.transaction() as connection:
            connection.execute(CROSSED, {"names": names, "days": YEARS})
        with db.connection() as connection:
            connection.execute("VACUUM ANALYZE bar")
        yield db


@contextmanager
def serving(db: Database, factory: str) -> Iterator[str]:
    """An app in a process of its own, as its base URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", factory, "--factory", "--port", str(port), "--no-access-log"]
    with subprocess.Popen([*command, "--log-level", "warning"], env=os.environ | {"DATABASE_URL": db.url}) as server:
        try:
            address = f"http://127.0.0.1:{port}"
            until_it_answers(address)
            yield address
        finally:
            server.terminate()


def until_it_answers(address: str) -> None:
    """Wait for a server that was started."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            httpx.get(f"{address}/health", timeout=60)
        except httpx.TransportError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


def _whole(client: Client) -> None:
    assert client.bars("BENCH00", "1m").height == BARS


def _query(db: Database) -> None:
    """The query alone, by ADBC, as a frame."""
    selection = Selection(Series(instruments.find(db, "BENCH00"), Timeframe.M1))
    assert db.frame(reading.statement(selection), reading.parameters(selection, BARS)).height == BARS


def _ten(client: Client) -> None:
    assert client.bars([f"CROSS{number:02}" for number in range(0, OF, OF // TEN)]).height == TEN * YEARS


def _ten_bare(db: Database) -> None:
    """The query alone, by ADBC, as a frame."""
    names = [f"CROSS{number:02}" for number in range(0, OF, OF // TEN)]
    assert db.frame(BARE, [names]).height == TEN * YEARS


def _pages(web: httpx.Client) -> list[bytes]:
    """All pages, each found by the cursor of the one before."""
    pages, where = [], {"timeframe": "1m", "limit": str(PAGE)}
    while True:
        pages.append(web.get("/api/v1/historical/BENCH00", params=where).content)
        head = pages[-1].split(b',"data":')[0] + b"}"
        if (cursor := orjson.loads(head)["next_cursor"]) is None:
            return pages
        where["cursor"] = cursor


def _load(url: str) -> dict[str, float]:
    """What a load generator in a process of its own saw."""
    command = [sys.executable, "-m", "bench.load", url, str(CONNECTIONS), str(SECONDS)]
    told: dict[str, float] = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return told
