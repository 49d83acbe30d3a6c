"""Ends the embedded PostgreSQL with its last user, however that one ended.

    python watchdog.py DATA_DIR

The locks of a data directory, each a file in `locks/` that the kernel lets go of even when its holder is killed:

    door      alone, while somebody joins, starts or stops the server
    users     shared, by each user as long as it needs the server
    server    alone, inherited by every process of the server: while one of them lives, no other may start
    watchdog  alone, by this program, which looks whether anybody holds `users`

This file is a program of its own on the standard library: it lives as long as the server and should weigh little.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

INTERVAL = 1.0
"""Seconds between two looks. Blocking on `users` instead would make each other look at that lock a coin toss."""

PATIENCE = 60.0
"""Seconds for an orderly end, a checkpoint included; then the server ends at once and recovers when it starts."""

UNSEEN = 2.0
"""Seconds for a server that was only just launched to write its pid; one in another container never shows it."""


def cluster_of(data_dir: Path) -> Path:
    """Where PostgreSQL keeps its files."""
    return data_dir / "postgres"


def take(data_dir: Path, name: str, *, shared: bool = False) -> int:
    """A descriptor that holds the lock until it is closed, waiting for it."""
    return _locked(data_dir, name, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)


def take_if_free(data_dir: Path, name: str) -> int | None:
    """A descriptor that holds the lock alone; None while others hold it."""
    try:
        return _locked(data_dir, name, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return None


def _locked(data_dir: Path, name: str, how: int) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    handle = os.open(data_dir / "locks" / name, flags, 0o600)
    try:
        fcntl.flock(handle, how)
    except BaseException:
        os.close(handle)
        raise
    return handle


@contextmanager
def held(data_dir: Path, name: str) -> Iterator[None]:
    """Hold a lock alone, waiting for it."""
    handle = take(data_dir, name)
    try:
        yield
    finally:
        os.close(handle)


def written_pid(file: Path) -> int | None:
    """The pid that a server left in a file; it may be long gone, and the number somebody else's."""
    try:
        return int(file.read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return None


def command_line(pid: int) -> list[str]:
    """How a process was started; empty for one that is gone or a zombie."""
    if sys.platform == "linux":
        try:
            return [word.decode(errors="replace") for word in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")]
        except OSError:
            return []
    ask = ["/bin/ps", "-o", "command=", "-p", str(pid)]
    return subprocess.run(ask, capture_output=True, text=True, check=False).stdout.split()  # noqa: S603


def mark(cluster: Path) -> str:
    """What stands in the command line of a server that Barhouse started on this very directory."""
    return f"cluster_name=barhouse-{cluster.stat().st_ino}"


def postmaster(cluster: Path) -> int | None:
    """The living server that Barhouse started on `cluster`; a pid alone proves nothing."""
    pid = written_pid(cluster / "postmaster.pid")
    return pid if pid is not None and mark(cluster) in command_line(pid) else None


def stop(data_dir: Path) -> bool:
    """End the server that Barhouse started, no other process; False while processes of it live on."""
    return any(_ended(data_dir, how) for how in (signal.SIGINT, signal.SIGQUIT))


def _ended(data_dir: Path, how: signal.Signals) -> bool:
    """Whether the server ends when it is told `how`; one that cannot be seen is not waited for."""
    told, begun = None, time.monotonic()
    while (free := take_if_free(data_dir, "server")) is None:
        pid = postmaster(cluster_of(data_dir))
        if pid is not None and pid != told:
            os.kill(pid, how)
            told = pid
        if time.monotonic() - begun > (PATIENCE if pid is not None else UNSEEN):
            return False
        time.sleep(0.01)
    os.close(free)
    return True


def stop_if_unused(data_dir: Path) -> bool:
    """End the server unless somebody uses it, and whether it has ended; whoever calls this holds the door."""
    alone = take_if_free(data_dir, "users")
    if alone is None:
        return False
    try:
        return stop(data_dir)
    finally:
        os.close(alone)


def watch(data_dir: Path, watching: int) -> None:
    """End the server once nobody uses it; `watching` is the lock of this watchdog."""
    while True:
        time.sleep(INTERVAL)
        with held(data_dir, "door"):
            if stop_if_unused(data_dir):
                os.close(watching)
                return


def main(data_dir: Path) -> None:
    """Watch in the background, unless another watchdog does."""
    watching = take_if_free(data_dir, "watchdog")
    if watching is None or os.fork():
        return
    with suppress(FileNotFoundError):  # the data directory was removed, its server ends by itself
        watch(data_dir, watching)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
