"""Workers as real processes, and looks at what they come to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from barhouse import DatabaseService
from barhouse.flow import jobs
from barhouse.flow.plan import Wanted
from barhouse.flow.track import track
from barhouse.model import Instrument, Span, Timeframe

YEARS = Span(datetime(2012, 1, 1, tzinfo=UTC), datetime(2013, 3, 2, tzinfo=UTC))
BARS = 291
"""Sessions of New York in these years."""


@contextmanager
def worker(url: str, vendors: str) -> Iterator[subprocess.Popen[bytes]]:
    """A worker that asks these vendors, until the end."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("BARHOUSE_")}
    places = {f"BARHOUSE_{name}_URL": vendors for name in ("POLYGON", "YAHOO", "BINANCE")}
    keys = {"POLYGON_API_KEY": "k", "BARHOUSE_POLYGON_CALLS_PER_MINUTE": "0", "DATABASE_URL": url}
    command: list[str | Path] = [Path(sys.executable).with_name("barhouse"), "worker"]
    process = subprocess.Popen(command, env=clean | places | keys, stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(120)


def until(true: Callable[[], Any], patience: float = 180) -> Any:
    """What `true` gives once it is something."""
    deadline = time.monotonic() + patience
    while not (told := true()):
        assert time.monotonic() < deadline, "It did not come to that in time"
        time.sleep(0.05)
    return told


def asked(db: DatabaseService, question: str) -> list[dict[str, Any]]:
    with psycopg.connect(db.url, row_factory=psycopg.rows.dict_row) as connection:
        return connection.execute(question.encode()).fetchall()


def done(db: DatabaseService, statements: str) -> None:
    with psycopg.connect(db.url) as connection:
        connection.execute(statements.encode())


def wanted(db: DatabaseService, *symbols: str) -> list[Wanted]:
    series = track(db, [Instrument(symbol) for symbol in symbols], [Timeframe.D1], YEARS.start)
    return [Wanted(each, YEARS) for each in series]


def through(db: DatabaseService, job_id: str) -> Callable[[], dict[str, Any] | None]:
    def look() -> dict[str, Any] | None:
        job = jobs.job(db, job_id)
        return job if job["status"] in ("completed", "failed") else None

    return look
