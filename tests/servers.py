"""Real PostgreSQL servers for the tests, and databases on them that are cheap to make."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psutil
import psycopg
import pytest

from barhouse.features import registry
from barhouse.flow import sessions
from barhouse.store.embedded import running
from barhouse.store.migrate import migrate
from barhouse.store.postgres import Database


@dataclass(frozen=True)
class Server:
    """A PostgreSQL that runs; `template` is a migrated database on it."""

    url: str
    template: str

    def at(self, database: str) -> str:
        """The URL of another database on this server."""
        return urlunsplit(urlsplit(self.url)._replace(path=f"/{database}"))

    @contextmanager
    def database(self) -> Iterator[str]:
        """The URL of a migrated database of its own."""
        with self.scratch(template=self.template) as url:
            yield url

    @contextmanager
    def scratch(self, template: str = "template0") -> Iterator[str]:
        """The URL of a database that goes away with all its connections; an empty one unless a template is named."""
        name = f"test_{uuid.uuid4().hex[:12]}"
        self._execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        try:
            yield self.at(name)
        finally:
            self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    @contextmanager
    def without(self, url: str) -> Iterator[None]:
        """An outage of one database: whoever is in it is thrown out, and nobody gets in."""
        name = urlsplit(url).path[1:]
        self._execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        self._execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
        try:
            yield
        finally:
            self._execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement.encode())


@contextmanager
def migrated(url: str) -> Iterator[Server]:
    """The server at `url`, with a migrated template."""
    server = Server(url, "template0")
    with server.scratch() as template:
        migrate(template, {name: feature.sql_type for name, feature in registry.items()})
        with Database(template) as db:
            sessions.calendar(db, "XNYS")
        yield Server(url, urlsplit(template).path.lstrip("/"))


def _quick() -> Path:
    """A folder in memory with room for the databases of many tests, or where temporary files are kept."""
    memory = Path("/dev/shm")
    has_room = memory.is_dir() and shutil.disk_usage(memory).free > 4 * 2**30
    return memory if has_room else Path(tempfile.gettempdir())


QUICK = _quick()
"""Where the tests' servers keep their data: a database is 600 files, for which a disk may need half a second."""


@contextmanager
def home() -> Iterator[Path]:
    """A folder there; what sessions that were killed have left is removed."""
    for left in QUICK.glob("barhouse-tests-*"):
        if not psutil.pid_exists(int(left.name.split("-")[2])):
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f"barhouse-tests-{os.getpid()}-", dir=QUICK) as folder:
        yield Path(folder)


def debian_programs() -> Path | None:
    """Where Debian keeps the newest PostgreSQL, if there is one."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    return found[-1].parent if found else None


@contextmanager
def debian(folder: Path) -> Iterator[str]:
    """Debian's PostgreSQL on a free port, without the durability that tests can do without."""
    programs = debian_programs()
    if programs is None:
        pytest.skip("Debian's PostgreSQL is not installed (apt-get install postgresql)")
    _hand_over(folder)
    _run([programs / "initdb", "-D", "data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"], folder)
    port = free_port()
    server = spawned([programs / "postgres", "-D", "data", "-p", str(port), *_QUICK], folder)
    try:
        url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
        _until_it_answers(url, server, folder)
        yield url
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(120)


_QUICK = ["-h", "127.0.0.1", "-k", ".", "-c", "fsync=off", "-c", "full_page_writes=off"]


@contextmanager
def embedded(folder: Path) -> Iterator[str]:
    """The embedded PostgreSQL, as quick as Debian's; tests of crashes start one with all its durability."""
    with running(folder) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            for setting in ("fsync", "full_page_writes"):
                connection.execute(f"ALTER SYSTEM SET {setting} = off".encode())
            connection.execute("SELECT pg_reload_conf()")
        yield url


SERVERS: dict[str, Callable[[Path], AbstractContextManager[str]]] = {"embedded-18": embedded, "debian-15": debian}
"""The servers that the store is tested on, by name."""


def free_port() -> int:
    """A port of the loopback that nobody uses at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _hand_over(folder: Path) -> None:
    """Give `folder` to the account that PostgreSQL runs under: it refuses to run as root."""
    if os.geteuid() == 0:
        account = pwd.getpwnam("postgres")
        os.chown(folder, account.pw_uid, account.pw_gid)


def _as_owner(folder: Path) -> dict[str, Any]:
    if os.geteuid():
        return {"cwd": folder}
    owner = folder.stat()
    return {"cwd": folder, "user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}


def _run(command: list[Path | str], folder: Path) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **_as_owner(folder))


def spawned(command: list[Path | str], folder: Path) -> subprocess.Popen[bytes]:
    """A server that runs in `folder` under the account that owns it, and logs there."""
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, **_as_owner(folder))


def _until_it_answers(url: str, server: subprocess.Popen[bytes], home: Path) -> None:
    deadline = time.monotonic() + 120
    while True:
        try:
            psycopg.connect(url).close()
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"Debian's PostgreSQL did not start: {(home / 'log').read_text()}")
            time.sleep(0.05)
        else:
            return
