"""Huge answers are read while they are sent: what they take of memory does not grow with them."""

from __future__ import annotations

import platform
import subprocess
import sys
from collections.abc import Iterator

import httpx
import psycopg
import pytest

from tests.security.up import Up, up
from tests.servers import Server

BARS = 600_000
FEW = 25_000
AGAIN = 8
"""Answers after the first ones, which warm it up; as often as it grew by 80 MB when each had a thread of its own."""
ANSWERED = """
WITH made AS (INSERT INTO instrument (symbol, asset_class, exchange) VALUES ('LONG', 'stock', 'XNYS') RETURNING id),
     listed AS (INSERT INTO series (instrument, timeframe, revision, revised_at, bars)
                SELECT id, code, 1, now(), %(bars)s FROM made, timeframe WHERE name = '1m')
INSERT INTO bar (instrument, timeframe, time, open, high, low, close, volume, vwap, trades, validated, quality_score,
                 extended, forming)
SELECT id, code, '2015-01-01Z'::timestamptz + minute * interval '1 min', 100 + minute % 7 / 10.0, 102, 99,
       100.5 + minute % 11 / 10.0, 1e6 + minute, 100.25, 4000 + minute %% 100, true, 1, false, false
FROM made, timeframe, generate_series(1, %(bars)s) AS minute WHERE name = '1m'
""".replace("% 7", "%% 7").replace("% 11", "%% 11")

CROWD = """
import ctypes, threading
from barhouse.cli.heaps import few_heaps
few_heaps()
everybody = threading.Barrier(20)
def take():
    everybody.wait()
    held = [bytes(5000) for _ in range(200)]
    everybody.wait()
crowd = [threading.Thread(target=take) for _ in range(20)]
[each.start() for each in crowd], [each.join() for each in crowd]
libc = ctypes.CDLL(None)
libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, "stdout"))
libc.fflush(None)
"""
"""Twenty threads that take memory at the same time; then the C library tells of its heaps."""


@pytest.fixture(scope="module")
def barhouse(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """A Barhouse with a series of more bars than anybody holds at a time."""
    with server.database() as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(ANSWERED.encode(), {"bars": BARS})
            connection.execute("ANALYZE bar")
        with up(url, tmp_path_factory.mktemp("up")) as running:
            yield running


def taken(barhouse: Up, form: str, limit: int, encoding: str = "identity") -> tuple[float, int]:
    """The MB that an answer took at most beyond what there was, and its length."""
    before, most, size = barhouse.memory, 0.0, 0
    path = f"{barhouse.address}/api/v1/historical/LONG?timeframe=1m&format={form}&limit={limit}"
    with httpx.stream("GET", path, headers={"Accept-Encoding": encoding}, trust_env=False, timeout=180) as answer:
        assert answer.status_code == 200
        for piece in answer.iter_raw(2**20):
            size += len(piece)
            most = max(most, barhouse.memory)
    return most - before, size


def test_one_compressed_answer_after_the_other_takes_no_more_memory(barhouse: Up) -> None:
    held = []
    for _ in range(3 + AGAIN):
        taken(barhouse, "ndjson", 6 * FEW, "zstd")
        held.append(barhouse.memory)

    assert min(held[-3:]) < max(held[:3]) + 30, held


@pytest.mark.parametrize("form", ["csv", "ndjson", "arrow", "parquet"])
def test_an_answer_of_any_length_takes_no_more_memory_than_a_short_one(barhouse: Up, form: str) -> None:
    taken(barhouse, form, FEW)
    few, short = taken(barhouse, form, FEW)

    many, long = taken(barhouse, form, BARS)

    assert long > 20 * short
    assert many < max(few, 0) + 40, f"{long / 1e6:.0f} MB were sent"


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="Only glibc gives each thread a heap of its own")
def test_a_crowd_of_threads_has_few_heaps() -> None:
    told = subprocess.run([sys.executable, "-c", CROWD], capture_output=True, text=True, check=True).stdout

    assert 1 <= told.count("<heap nr=") <= 2
