"""How long it takes to have the warehouse back: the drill of docs/operations.md, with its figures."""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import httpx

from barhouse.config import Settings
from barhouse.flow.backup import Saved, backup
from barhouse.flow.restore import restore
from barhouse.flow.warehouse import opened
from barhouse.store import databases, fingerprint, tools
from barhouse.store.embedded import running
from bench.data import answers
from bench.harness import Figure, figure, seconds
from bench.writing import batches_of, keep_all

BARS, SERIES = 1_000_000, 50
PATIENCE = 300


@figure
def restore_drill() -> Figure:
    """Seconds from a lost warehouse of a million minute bars to the first bars read from its restored copy.

    Beside pg_dump and pg_restore alone (`ceiling`: the latter); the details say each part.
    """
    with tempfile.TemporaryDirectory(prefix="barhouse-drill-") as folder:
        home = Path(folder)
        lost, back = _at(home / "lost"), _at(home / "back")
        with opened(lost) as db:
            calendar, fetched = answers(db, BARS, SERIES)
            keep_all(db, batches_of(calendar, fetched))
            with running(lost.data_dir) as url:
                raw_dump, raw_restore = _raw(url, lost.data_dir, home / "raw")
        save = partial(backup, lost, home / "backups", datetime.now(UTC), report=_silent)
        saved, whole = _timed(save)
        again = partial(backup, lost, home / "unverified", datetime.now(UTC), report=_silent, verify=False)
        plain = seconds(again)
        restored = seconds(partial(restore, saved.path, None, back.data_dir, report=_silent))
        first_read = _first_read(back.data_dir)
        rto = restored + first_read
        parts = {"backup_s": plain, "verify_s": whole - plain, "restore_s": restored, "first_read_s": first_read}
        raw = {"raw_dump_s": raw_dump, "raw_restore_s": raw_restore, "bars": BARS, "mb": saved.bytes / 1e6}
        return Figure("restore_drill", rto, "s", raw_restore, rto / raw_restore, parts | raw)


def _at(data_dir: Path) -> Settings:
    return Settings.model_validate({"data_dir": data_dir, "database_url": None})


def _timed(save: partial[Saved]) -> tuple[Saved, float]:
    start = time.perf_counter()
    saved = save()
    return saved, time.perf_counter() - start


def _raw(url: str, data_dir: Path, folder: Path) -> tuple[float, float]:
    """PostgreSQL's own programs with the same options, and nothing around them."""
    using = tools.tools(url, data_dir)
    with fingerprint.seen(url) as (_, snapshot):
        dumped = seconds(partial(tools.dump, using, url, folder, snapshot, _silent))
    with databases.administered(url) as admin, databases.scratch(admin, url) as scratch:
        return dumped, seconds(partial(tools.load, using, scratch, folder, _silent))


def _first_read(data_dir: Path) -> float:
    """From the start of `barhouse up` to the first bars that it answers."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    start = time.perf_counter()
    with _up(data_dir, port) as process:
        while time.perf_counter() - start < PATIENCE and process.poll() is None:
            try:
                url = f"http://127.0.0.1:{port}/api/v1/historical/BENCH00?timeframe=1m&limit=1000"
                if httpx.get(url, timeout=PATIENCE).raise_for_status().json()["count"]:
                    return time.perf_counter() - start
            except httpx.HTTPError:
                time.sleep(0.02)
    raise RuntimeError("The restored warehouse answered nothing")


@contextmanager
def _up(data_dir: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    up = [sys.executable, "-m", "barhouse.cli", "up", f"--port={port}", f"--data-dir={data_dir}"]
    command = ["/usr/bin/env", "-u", "DATABASE_URL", *up]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)


def _silent(*_: object) -> None:
    """Nobody looks."""
