"""PostgreSQL servers that may be killed: one that the test keeps itself, or Barhouse's embedded one."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import psycopg

from barhouse.store import binaries, watchdog
from tests.servers import spawned

PATIENCE = 60.0
"""Seconds that a server gets to start, recovery included."""


class Cluster:
    """The cluster in a data directory of Barhouse, whoever serves it."""

    def __init__(self, data_dir: Path) -> None:
        self.folder = watchdog.cluster_of(data_dir)
        self.url = f"postgresql://postgres@/barhouse?host={quote(str(self.folder), safe='')}&port=5432"

    def kill(self) -> None:
        """End the postmaster as the out-of-memory killer would."""
        self._signal(signal.SIGKILL)

    def abort(self) -> None:
        """What `pg_ctl stop -m immediate` does."""
        self._signal(signal.SIGQUIT)

    def restart(self) -> None:
        """What `pg_ctl stop -m fast` does."""
        self._signal(signal.SIGINT)

    def answers(self) -> bool:
        """Whether it takes connections."""
        try:
            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def until_it_answers(self) -> None:
        """Wait for it."""
        deadline = time.monotonic() + PATIENCE
        while not self.answers():
            assert time.monotonic() < deadline, f"PostgreSQL in {self.folder} did not come back in {PATIENCE:.0f} s"
            time.sleep(0.1)

    def start(self) -> None:
        """Who keeps the embedded one is to start it."""

    def _signal(self, number: signal.Signals) -> None:
        if pid := watchdog.written_pid(self.folder / "postmaster.pid"):
            with suppress(ProcessLookupError):
                os.kill(pid, number)


class Kept(Cluster):
    """A server of the test's own, which it starts again itself, as an operating system would."""

    def __init__(self, data_dir: Path) -> None:
        super().__init__(data_dir)
        self._programs = binaries.programs(data_dir)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, as often as it takes: processes of a killed one may still be about to end."""
        deadline = time.monotonic() + PATIENCE
        while self._process is None or not self.answers():
            if self._process is None or self._process.poll() is not None:
                self._process = self._started()
            assert time.monotonic() < deadline, (self.folder / "log").read_text()[-2000:]
            time.sleep(0.1)

    def _started(self) -> subprocess.Popen[bytes]:
        return spawned([self._programs / "postgres", "-D", ".", "-p", "5432", "-k", "."], self.folder)

    def kill(self) -> None:
        """End the postmaster as the out-of-memory killer would."""
        super().kill()
        self._gone()

    def abort(self) -> None:
        """What `pg_ctl stop -m immediate` does."""
        super().abort()
        self._gone()

    def restart(self) -> None:
        """What `pg_ctl stop -m fast` does."""
        super().restart()
        self._gone()

    def _gone(self) -> None:
        if self._process:
            self._process.wait(PATIENCE)


@contextmanager
def kept(data_dir: Path) -> Iterator[Kept]:
    """A server of the test's own on a cluster, until the end."""
    server = Kept(data_dir)
    server.start()
    try:
        yield server
    finally:
        server.abort()


class Disk:
    """A small disk that can be filled up."""

    def __init__(self, folder: Path) -> None:
        self._filler = folder / "filler"

    def fill(self) -> None:
        """Leave no room at all."""
        with suppress(OSError), self._filler.open("wb", buffering=0) as filler:
            while True:
                filler.write(b"\0" * (1 << 20))
        with suppress(OSError), self._filler.open("ab", buffering=0) as filler:
            while True:
                filler.write(b"\0" * 512)

    def free(self) -> None:
        """Give the room back."""
        self._filler.unlink(missing_ok=True)
