"""The embedded PostgreSQL: several processes share one server of a data directory, and it ends with its last user."""

from __future__ import annotations

import errno
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import psycopg

from barhouse.errors import EmbeddedServerError
from barhouse.store import cluster as clusters
from barhouse.store import watchdog
from barhouse.store.watchdog import held, stop_if_unused, take, take_if_free

DATABASE = "barhouse"

SOCKET_PATH = 103
"""The bytes that the path of a socket may have on every system (Linux 107, macOS 103)."""


class Embedded:
    """One user of an embedded PostgreSQL until `close`; `url` serves every process of this account."""

    def __init__(self, data_dir: Path, user: int, url: str) -> None:
        self.url = url
        self._data_dir = data_dir
        self._user: int | None = user

    def close(self) -> None:
        """Leave the server; it ends before this returns if nobody else uses it."""
        user, self._user = self._user, None
        if user is None:
            return
        os.close(user)
        with suppress(FileNotFoundError), held(self._data_dir, "door"):  # a removed directory has no server to end
            stop_if_unused(self._data_dir)


def start(data_dir: Path) -> Embedded:
    """Join the embedded PostgreSQL in `data_dir`, made and started if need be; EmbeddedServerError says the mend."""
    data_dir = data_dir.expanduser().resolve()
    with _mends(data_dir):
        (data_dir / "locks").mkdir(parents=True, exist_ok=True)
        with held(data_dir, "door"):
            user = _joined(data_dir)
            try:
                return Embedded(data_dir, user, _served(data_dir))
            except BaseException:
                os.close(user)
                raise


@contextmanager
def running(data_dir: Path) -> Iterator[str]:
    """The URL of the embedded PostgreSQL in `data_dir`, which runs at least as long as the context."""
    embedded = start(data_dir)
    try:
        yield embedded.url
    finally:
        embedded.close()


@contextmanager
def serving(database_url: str | None, data_dir: Path) -> Iterator[str]:
    """The URL of the PostgreSQL to use: `database_url` wins; left out, the embedded one in `data_dir` runs."""
    if database_url:
        yield database_url
    else:
        with running(data_dir) as url:
            yield url


def _joined(data_dir: Path) -> int:
    """Be a user of the server, with a watchdog that sees to it that the server ends."""
    user = take(data_dir, "users", shared=True)
    if (free := take_if_free(data_dir, "watchdog")) is not None:
        os.close(free)
        subprocess.run(  # noqa: S603
            [sys.executable, "-I", "-S", watchdog.__file__, str(data_dir)],
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            check=True,
        )
    return user


def _served(data_dir: Path) -> str:
    """The URL of the server, started if it does not answer. A real connection is the sign of life."""
    cluster = clusters.prepare(data_dir)
    folder = _within_reach(cluster)
    deadline = time.monotonic() + clusters.START_SECONDS
    while not _answers(folder):
        lock = take_if_free(data_dir, "server")
        if lock is not None:
            try:
                clusters.launch(data_dir, lock)
            finally:
                os.close(lock)
        elif time.monotonic() > deadline:
            raise clusters.explained(cluster, clusters.said(cluster))
        else:
            time.sleep(0.05)
    return _url(folder, DATABASE)


def _url(folder: Path, database: str) -> str:
    return f"postgresql://postgres@/{database}?host={quote(str(folder), safe='')}&port={clusters.PORT}"


def _answers(folder: Path) -> bool:
    """Whether the server takes connections now; it has our database then."""
    try:
        with psycopg.connect(_url(folder, "postgres"), autocommit=True, connect_timeout=10) as connection:
            if not connection.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE]).fetchall():
                connection.execute(f"CREATE DATABASE {DATABASE}")
    except psycopg.OperationalError as refusal:
        if any(sign in str(refusal) for sign in _NOT_YET):
            return False
        raise EmbeddedServerError(f"The embedded PostgreSQL runs but does not let us in: {refusal}") from refusal
    return True


_NOT_YET = (
    "No such file or directory",
    "Connection refused",
    "starting up",
    "shutting down",
    "in recovery mode",
    "not yet accepting connections",
    "server closed the connection",
    "terminating connection",
)
"""What libpq says where a server is to be awaited, or to be started."""


def _within_reach(cluster: Path) -> Path:
    """A path to the folder of the socket that is short enough for one: `cluster`, or a link to it."""
    if len(os.fsencode(cluster / f".s.PGSQL.{clusters.PORT}")) <= SOCKET_PATH:
        return cluster
    link = _private_folder() / hashlib.sha256(os.fsencode(cluster)).hexdigest()[:12]
    if not (link.is_symlink() and link.readlink() == cluster):
        fresh = link.with_suffix(f".{os.getpid()}")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(cluster)
        fresh.replace(link)
    return link


def _private_folder() -> Path:
    """A folder with a short path that nobody else may write to."""
    uid = os.geteuid()
    usual = Path("/run") if uid == 0 else Path(f"/run/user/{uid}")
    folder = usual / "barhouse" if os.access(usual, os.W_OK) else Path(tempfile.gettempdir(), f"barhouse-{uid}")
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if found.st_uid != uid or found.st_mode & 0o022 or folder.is_symlink():
        raise EmbeddedServerError(f"{folder} must belong to the user id {uid} alone: remove it and start again")
    return folder


@contextmanager
def _mends(data_dir: Path) -> Iterator[None]:
    """Turn what the operating system refuses into words that say the mend."""
    try:
        yield
    except OSError as refusal:
        mend = _REFUSALS.get(
            refusal.errno or 0, f"{refusal.strerror}: mend that, or set BARHOUSE_DATA_DIR to another folder"
        )
        where = refusal.filename or data_dir
        raise EmbeddedServerError(f"The embedded PostgreSQL cannot use {where}: {mend}") from refusal


_REFUSALS = {
    errno.ENOSPC: "the disk is full; free some space and start again, nothing is lost",
    errno.EDQUOT: "the quota is used up; free some space and start again, nothing is lost",
    errno.EROFS: "the disk is read-only; mount it for writing, or set BARHOUSE_DATA_DIR to another folder",
    errno.EACCES: "permission denied; run as the user it belongs to, mount it without noexec, "
    "or set BARHOUSE_DATA_DIR to another folder",
    errno.EPERM: "permission denied; run as the user it belongs to, or set BARHOUSE_DATA_DIR to another folder",
    errno.ENOTDIR: "a file is where a folder should be; set BARHOUSE_DATA_DIR to another folder",
    errno.EEXIST: "a file is where a folder should be; set BARHOUSE_DATA_DIR to another folder",
}
