"""A data directory of the embedded PostgreSQL: made, checked, served.

The server is started from inside its directory and told to use "here" for everything, so that neither a parent
that its account may not enter nor a path too long for a socket matters.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from barhouse.errors import EmbeddedServerError
from barhouse.store.binaries import programs, version
from barhouse.store.watchdog import cluster_of, command_line, mark, take, written_pid

PORT = 5432
"""The number in the name of the socket; nothing listens on the network."""

START_SECONDS = 600
"""How long a server may take to recover from a crash."""

LEAST_SPACE = 1 << 20
"""Bytes that must be free on the disk for a server to start."""

LOG = "server.log"
"""What the server of the latest start said, in its data directory; the one before is `server.log.1`."""

_SERVICE_ACCOUNTS = ("postgres", "nobody")
_CLEAN = {"LC_ALL": "C", "PATH": "/usr/bin:/bin"}


def prepare(data_dir: Path) -> Path:
    """The cluster of `data_dir`, made if there is none; whoever calls this holds the door."""
    cluster = cluster_of(data_dir)
    if (data_dir / "PG_VERSION").exists():
        raise EmbeddedServerError(
            f"{data_dir} is itself the data directory of a PostgreSQL server: "
            "set BARHOUSE_DATA_DIR to a folder of its own, or DATABASE_URL to use that server"
        )
    _require_a_name()
    if not cluster.exists() or not any(cluster.iterdir()):
        _make(data_dir, cluster)
    _require_ours(cluster)
    return cluster


def _require_a_name() -> None:
    try:
        pwd.getpwuid(os.geteuid())
    except KeyError:
        raise EmbeddedServerError(
            f"The user id {os.geteuid()} has no name on this machine, and PostgreSQL does not run without one: "
            f"add it (echo 'barhouse:x:{os.geteuid()}:{os.getegid()}::/:/bin/sh' >> /etc/passwd), "
            "run as another user, or set DATABASE_URL"
        ) from None


def _require_ours(cluster: Path) -> None:
    """Refuse a directory that is not ours to serve, or of another PostgreSQL."""
    owner = cluster.stat().st_uid
    if owner not in _accounts():
        raise EmbeddedServerError(
            f"{cluster} belongs to {_name(owner)}: run Barhouse as {_name(owner)}, "
            "or set BARHOUSE_DATA_DIR to another folder"
        )
    if not (cluster / "PG_VERSION").exists():
        raise EmbeddedServerError(
            f"{cluster} is not a data directory of PostgreSQL: move it away, or set BARHOUSE_DATA_DIR to another folder"
        )
    made_by, runs = (cluster / "PG_VERSION").read_text().strip(), version().split(".")[0]
    if made_by != runs:
        raise EmbeddedServerError(
            f"{cluster} was made by PostgreSQL {made_by}, this Barhouse brings {runs}: export with the Barhouse "
            "that made it (or run pg_upgrade), or set BARHOUSE_DATA_DIR to another folder; nothing was changed"
        )


def _accounts() -> list[int]:
    """The user ids that may own a data directory; root serves as the first of them for a new one."""
    if os.geteuid():
        return [os.geteuid()]
    if found := [uid for name in _SERVICE_ACCOUNTS if (uid := _uid(name)) is not None]:
        return found
    raise EmbeddedServerError(
        "PostgreSQL does not run as root, and there is neither an account `postgres` nor `nobody`: "
        "add one (useradd --system postgres), run as another user, or set DATABASE_URL"
    )


def _uid(name: str) -> int | None:
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        return None


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user id {uid}"


def _make(data_dir: Path, cluster: Path) -> None:
    """Make a new cluster, wholly or not at all."""
    fresh = cluster.with_name("postgres.new")
    lock = take(data_dir, "server")  # waits for the `initdb` of somebody who was killed
    try:
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        if os.geteuid() == 0:
            os.chown(fresh, _accounts()[0], pwd.getpwuid(_accounts()[0]).pw_gid)
        made = _run(data_dir, fresh, "initdb", *_identity(), *_defaults(), keep=[lock])
        if made.returncode:
            raise explained(fresh, made.stdout)
        fresh.rename(cluster)
        _settle(data_dir)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
        os.close(lock)


def _settle(folder: Path) -> None:
    """Make what was renamed in `folder` outlast a power failure."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _identity() -> list[str]:
    """One superuser; whoever may enter the directory may connect: its owner, and root."""
    return [
        "--username=postgres",
        "--auth-local=trust",
        "--auth-host=reject",
        "--encoding=UTF8",
        "--locale=C",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--no-instructions",
    ]


def _defaults() -> list[str]:
    """What a new cluster's postgresql.conf says beside PostgreSQL's own defaults; an operator may change it there."""
    megabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
    chosen = {
        "listen_addresses": "",
        "unix_socket_directories": ".",
        "shared_buffers": f"{min(max(megabytes // 8, 128), 1024)}MB",
        "effective_cache_size": f"{megabytes // 2}MB",
        "maintenance_work_mem": "128MB",
        "work_mem": "16MB",
        "max_wal_size": "2GB",
        "checkpoint_timeout": "15min",
        "random_page_cost": "1.1",
        "timezone": "UTC",
        "log_timezone": "UTC",
    }
    return [f"--set={name}={value}" for name, value in chosen.items()]


def launch(data_dir: Path, lock: int) -> None:
    """Start the server of a prepared `data_dir` and wait until it takes connections; it inherits `lock`."""
    cluster = cluster_of(data_dir)
    _clear_stale_pids(cluster)
    if (cluster / LOG).exists():
        (cluster / LOG).replace(cluster / f"{LOG}.1")
    options = f"-c {mark(cluster)} -c port={PORT} -c unix_socket_directories=. -c unix_socket_permissions=0700"
    wait = ("start", "--wait", f"--timeout={START_SECONDS}", "--silent", f"--log={LOG}")
    started = _run(data_dir, cluster, "pg_ctl", *wait, "-o", options, keep=[lock])
    if started.returncode:
        raise explained(cluster, said(cluster) or started.stdout)


def _clear_stale_pids(cluster: Path) -> None:
    """Remove files of a pid that now is another program's or a zombie's; PostgreSQL would take it for a server's.

    A living server keeps its files, one started by hand too.
    """
    for file in (cluster / "postmaster.pid", cluster / f".s.PGSQL.{PORT}.lock"):
        pid = written_pid(file)
        if pid is not None and not _serves(pid, cluster):
            file.unlink(missing_ok=True)


def _serves(pid: int, cluster: Path) -> bool:
    """Whether a process may be a server of `cluster`: any PostgreSQL is, unless it is seen to be elsewhere."""
    command = command_line(pid)
    if not command or Path(command[0]).name.rstrip(":") not in ("postgres", "postmaster"):
        return False
    try:
        return Path(f"/proc/{pid}/cwd").samefile(cluster)
    except OSError:
        return True


def said(cluster: Path) -> str:
    """The log of the latest start."""
    try:
        return (cluster / LOG).read_text(errors="replace")
    except FileNotFoundError:
        return ""


def explained(cluster: Path, output: str) -> EmbeddedServerError:
    """What hinders PostgreSQL, with the mend, from what its programs said; on a full disk they cannot say anything."""
    if shutil.disk_usage(cluster).free < LEAST_SPACE:
        output += "No space left on device"
    for sign, mend in _MENDS.items():
        if sign in output:
            return EmbeddedServerError(mend.format(cluster=cluster, pid=written_pid(cluster / "postmaster.pid")))
    last = " / ".join(output.strip().splitlines()[-3:]) or "it said nothing"
    return EmbeddedServerError(
        f"The embedded PostgreSQL in {cluster} cannot be used: {last} (its log: {cluster / LOG})"
    )


_MENDS = {
    "No space left on device": "The disk of {cluster} is full: free some space and start again; nothing is lost",
    "Disk quota exceeded": "The quota on the disk of {cluster} is used up: free some space and start again; "
    "nothing is lost",
    "Read-only file system": "The disk of {cluster} is read-only: mount it for writing (mount -o remount,rw), "
    "or set BARHOUSE_DATA_DIR to another folder",
    "Permission denied": "PostgreSQL may not use {cluster}: give it back to the account that made it "
    "(chown -R, chmod 700)",
    "is still in use": "Processes of a killed server still use {cluster}: wait a moment, or end them, and start again",
    "lock file": "The process {pid} is a PostgreSQL server and may use {cluster}: stop it "
    "if it does; if it serves another directory, delete {cluster}/postmaster.pid; then start again",
}


def _run(
    data_dir: Path, folder: Path, program: str, *arguments: str, keep: Sequence[int] = ()
) -> subprocess.CompletedProcess[str]:
    """Run a program of PostgreSQL from inside `folder`, under the account that owns it."""
    here = "/proc/self/cwd" if sys.platform == "linux" else str(folder)
    return subprocess.run(  # noqa: S603
        [programs(data_dir) / program, f"--pgdata={here}", *arguments],
        cwd=folder,
        env=_CLEAN,
        pass_fds=keep,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        **_as_owner(folder),
    )


def _as_owner(folder: Path) -> dict[str, Any]:
    if os.geteuid():
        return {}
    owner = folder.stat()
    return {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}
