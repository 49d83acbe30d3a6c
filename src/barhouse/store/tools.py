"""PostgreSQL's own `pg_dump` and `pg_restore`, run so that no password is seen and that they can be watched."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from barhouse.errors import BackupFailed
from barhouse.store.binaries import programs, version

LOOK = 0.5
"""Seconds between two looks how far a program is."""

JOBS = str(max(2, min(4, os.cpu_count() or 2)))
"""Tables that are copied at the same time."""

KNOWS_TIMEOUT = 17
"""The first PostgreSQL that knows `transaction_timeout`, which newer programs set without asking."""

_ERROR = re.compile(r"^pg_\w+: error: (.*)$", re.MULTILINE)
_HARMLESS = "transaction_timeout"


@dataclass(frozen=True, slots=True)
class Tools:
    """The programs for one server: where they are, and its major version."""

    folder: Path
    server: int


def tools(database_url: str, data_dir: Path) -> Tools:
    """The programs that can serve the server of `database_url`: those we bring, or the machine's where ours cannot.

    BackupFailed says what to install.
    """
    with psycopg.connect(database_url, connect_timeout=10) as connection:
        server, encrypted = connection.info.server_version // 10_000, connection.pgconn.ssl_in_use
    if server <= int(version().split(".")[0]) and not encrypted:
        return Tools(programs(data_dir), server)
    found = shutil.which("pg_dump")
    if found and _major(found) >= server:
        return Tools(Path(found).parent, server)
    why = "its connection is encrypted" if encrypted else "it is newer than the programs Barhouse brings"
    raise BackupFailed(
        f"This server needs pg_dump and pg_restore of PostgreSQL {server} or newer on the PATH, since {why}: "
        f"install them (apt-get install postgresql-client-{server}) and try again"
    )


def _major(program: str) -> int:
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout  # noqa: S603
    return int(told.split()[2].split(".")[0].rstrip("abcdefghijklmnopqrstuvwxyz"))


def dump(using: Tools, database_url: str, folder: Path, snapshot: str, look: Callable[[], object]) -> None:
    """Write what `snapshot` of a database sees into a new `folder`, durably; gzip, which every build can read."""
    how = ("--format=directory", "--compress=1", f"--jobs={JOBS}", f"--snapshot={snapshot}", f"--file={folder}")
    with _without_password(database_url) as conninfo:
        code, said = _run([using.folder / "pg_dump", *how, f"--dbname={conninfo}", "--no-password"], look)
    if code:
        raise BackupFailed(f"pg_dump stopped: {_reason(said)}")


def load(using: Tools, database_url: str, folder: Path, look: Callable[[], object]) -> None:
    """Bring what `dump` wrote into an empty database; its roles and grants are left behind."""
    how = ["--format=directory", "--no-owner", "--no-privileges", f"--jobs={JOBS}", "--no-password"]
    if using.server >= KNOWS_TIMEOUT:
        how.append("--exit-on-error")
    with _without_password(database_url) as conninfo:
        code, said = _run([using.folder / "pg_restore", *how, f"--dbname={conninfo}", folder], look)
    if code and (using.server >= KNOWS_TIMEOUT or not _is_harmless(said)):
        raise BackupFailed(f"pg_restore stopped: {_reason(said)}")


def _is_harmless(said: str) -> bool:
    """Whether all that went wrong is a setting that the older server does not know."""
    complaints = _ERROR.findall(said)
    return bool(complaints) and all(_HARMLESS in complaint for complaint in complaints)


def _reason(said: str) -> str:
    found = [complaint for complaint in _ERROR.findall(said) if _HARMLESS not in complaint]
    return found[0] if found else " / ".join(said.strip().splitlines()[-2:]) or "it said nothing"


@contextmanager
def _without_password(database_url: str) -> Iterator[str]:
    """How to connect, in words that anybody may see: the password lies in a file of ours for as long as needed."""
    told = conninfo_to_dict(database_url)
    password = told.pop("password", None)
    if password is None:
        yield make_conninfo("", **told)
        return
    with tempfile.NamedTemporaryFile("w", prefix="barhouse-", encoding="utf-8") as file:
        file.write("*:*:*:*:" + re.sub(r"([\\:])", r"\\\1", str(password)) + "\n")
        file.flush()
        yield make_conninfo("", **(told | {"passfile": file.name}))


def _run(command: Sequence[str | Path], look: Callable[[], object]) -> tuple[int, str]:
    """Run a program in the language that we read, and look how far it is; its exit code, and what it said."""
    process = subprocess.Popen(  # noqa: S603
        ["/usr/bin/env", "LC_ALL=C", *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )
    try:
        while True:
            try:
                _, said = process.communicate(timeout=LOOK)
            except subprocess.TimeoutExpired:
                look()
            else:
                return process.returncode, said
    except BaseException:
        process.terminate()
        process.wait()
        raise
