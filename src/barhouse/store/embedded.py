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
from threading import Event, Thread
from urllib.parse import quote

import psycopg
import structlog

from barhouse.errors import EmbeddedServerError
from barhouse.store import cluster as clusters
from barhouse.store import watchdog
from barhouse.store.watchdog import held, stop_if_unused, take, take_if_free

log = structlog.get_logger()

DATABASE = "barhouse"

SOCKET_PATH = 103
"""The bytes that the path of a socket may have on every system (Linux 107, macOS 103)."""

LOOKING = 0.5
"""Seconds between two looks of a user whether the server is still there."""


class Embedded:
    """One user of an embedded PostgreSQL until `close`; `url` serves every process of this account.

    A server that ends meanwhile, killed or for want of room, is started again.
    """

    def __init__(self, data_dir: Path, user: int, url: str) -> None:
        self.url = url
        self._data_dir = data_dir
        self._user: int | None = user
        self._over = Event()
        self._keeper = Thread(target=_keep, args=(data_dir, self._over), name="keeper", daemon=True)
        self._keeper.start()

    def close(self) -> None:
        """Leave the server; it ends before this returns if nobody else uses it."""
        user, self._user = self._user, None
        if user is None:
            return
        self._over.set()
        self._keeper.join()
        os.close(user)
        with suppress(FileNotFoundError), held(self._data_dir, "door"):  # a removed directory has no server to end
            stop_if_unused(self._data_dir)


def start(data_dir: Path) -> Embedded:
    """Join the embedded PostgreSQL in `data_dir`, made and started if need be; EmbeddedServerError says the mend."""
    data_dir = data_dir.expanduser().resolve()
    with _mends(data_dir):
        (data_dir / "locks").mkdir(parents=True, exist_ok=True)
        with held(data_dir, "door"):
            cluster = clusters.prepare(data_dir)
            user = take(data_dir, "users", shared=True)
            try:
                _watch(data_dir)
                return Embedded(data_dir, user, _served(data_dir, cluster))
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


def _watch(data_dir: Path) -> None:
    """See to it that a watchdog is there, which ends the server even if all its users are killed."""
    free = take_if_free(data_dir, "watchdog")
    if free is None:
        return
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


def _keep(data_dir: Path, over: Event) -> None:
    """Start the server again whenever it is gone; what hinders that is told once."""
    told = ""
    while not over.wait(LOOKING):
        try:
            if _lives(data_dir):
                continue
            with held(data_dir, "door"):
                _served(data_dir, watchdog.cluster_of(data_dir))
            told = ""
        except (EmbeddedServerError, OSError) as hindrance:
            if str(hindrance) != told:
                told = str(hindrance)
                log.error("server_not_started_again", error=told)


def _lives(data_dir: Path) -> bool:
    """Whether there is a process of the server."""
    free = take_if_free(data_dir, "server")
    if free is not None:
        os.close(free)
    return free is None


def _served(data_dir: Path, cluster: Path) -> str:
    """The URL of the server, started if it does not answer. A real connection is the sign of life."""
    folder = _within_reach(cluster)
    deadline = time.monotonic() + clusters.START_SECONDS
    while not _answers(cluster, folder):
        if time.monotonic() > deadline:
            raise EmbeddedServerError(
                f"The embedded PostgreSQL in {cluster} gives no answer, yet processes of it live: end those that "
                f"run in that folder (its log: {cluster / clusters.LOG}), and start again"
            )
        _launched(data_dir)
    return _url(folder, DATABASE)


def _launched(data_dir: Path) -> None:
    """Start the server; if one is starting, recovering or ending, or a killed one's processes still live, wait."""
    lock = take_if_free(data_dir, "server")
    if lock is None:
        time.sleep(0.05)
        return
    try:
        clusters.launch(data_dir, lock)
    finally:
        os.close(lock)


def _url(folder: Path, database: str) -> str:
    host = quote(os.fsencode(folder), safe="")
    return f"postgresql://postgres@/{database}?host={host}&port={clusters.PORT}"


def _answers(cluster: Path, folder: Path) -> bool:
    """Whether the server takes connections now; it has our database then."""
    try:
        with psycopg.connect(_url(folder, "postgres"), autocommit=True, connect_timeout=10) as connection:
            if not connection.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE]).fetchall():
                connection.execute(f"CREATE DATABASE {DATABASE}")
    except psycopg.OperationalError as refusal:
        if any(sign in str(refusal) for sign in _NOT_YET):
            return False
        raise clusters.explained(cluster, str(refusal)) from refusal
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
    """A path to the folder of the socket that a client can use: `cluster`, or a link where that is too long.

    A comma would part it in two hosts.
    """
    socket = os.fsencode(cluster / f".s.PGSQL.{clusters.PORT}")
    if len(socket) <= SOCKET_PATH and b"," not in socket:
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
        raise EmbeddedServerError(
            f"{folder} should belong to the user id {uid} alone and does not: remove it, or set BARHOUSE_DATA_DIR "
            "to a folder with a shorter path"
        )
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
