"""What tests of the embedded PostgreSQL ask of the operating system."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from barhouse.store.watchdog import postmaster

REPOSITORY = Path(__file__).parents[2]

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can set this up")


class Owner:
    """A process of its own that uses the server of `data_dir`."""

    def __init__(self, data_dir: Path, *how: str, **popen: Any) -> None:
        command = [sys.executable, "-m", "tests.owner", str(data_dir), *how]
        self.process: subprocess.Popen[str] = subprocess.Popen(
            popen.pop("command", command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=REPOSITORY,
            **popen,
        )

    def says(self) -> str:
        """The next line that it prints."""
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def leave(self) -> tuple[str, str]:
        """Let it end in order; what it printed, and its complaints."""
        return self.process.communicate(timeout=180)

    def kill(self) -> list[str]:
        """End it as the out-of-memory killer would; what it had printed and nobody read yet."""
        self.process.kill()
        printed, _ = self.process.communicate(timeout=180)
        return printed.split()


@contextmanager
def owners(data_dir: Path, count: int, *how: str) -> Iterator[list[Owner]]:
    """Processes that use the same server; killed at the end if the test did not end them."""
    processes = [Owner(data_dir, *how) for _ in range(count)]
    try:
        yield processes
    finally:
        for owner in processes:
            if owner.process.poll() is None:
                owner.kill()


def ask(url: str, question: str) -> Any:
    """The first value that the database answers."""
    with psycopg.connect(url) as connection:
        row = connection.execute(question.encode()).fetchone()
    return row[0] if row else None


def born(url: str) -> Any:
    """When the server was started: the same for two URLs of one server."""
    return ask(url, "SELECT pg_postmaster_start_time()")


def soon(condition: Callable[[], bool], seconds: float = 20) -> bool:
    """Whether something comes true before long."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def gone(data_dir: Path) -> bool:
    """Whether no server runs on `data_dir`."""
    return postmaster(data_dir / "postgres") is None


def server_pid(data_dir: Path) -> int:
    """The process of the server on `data_dir`."""
    pid = postmaster(data_dir / "postgres")
    assert pid is not None
    return pid


def watchdog_pid(data_dir: Path) -> int:
    """The process that watches over the server on `data_dir`."""
    listed = subprocess.run(["ps", "-wweo", "pid,command"], capture_output=True, text=True, check=True).stdout
    [line] = [line for line in listed.splitlines() if "watchdog.py" in line and line.endswith(str(data_dir))]
    return int(line.split()[0])


def copy(data_dir: Path, to: Path) -> Path:
    """The same data directory elsewhere, owners included."""
    subprocess.run(["cp", "-a", data_dir, to], check=True)
    return to


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """A disk of its own; skips where none can be mounted."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "none", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("This machine does not let us mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def python_for(uid: int) -> tuple[str, dict[str, str]]:
    """A Python of this version that the user may run, and the environment in which it finds Barhouse."""
    paths = [str(REPOSITORY), *(path for path in sys.path if path.endswith(("site-packages", "/src")))]
    environment = {"PYTHONPATH": os.pathsep.join(paths), "PYTHONDONTWRITEBYTECODE": "1"}
    check = f"import sys, psycopg, barhouse.store.embedded; sys.exit(sys.version_info[:2] != {sys.version_info[:2]})"
    for python in (sys.executable, "/usr/bin/python3"):
        try:
            who: dict[str, Any] = {"user": uid, "group": uid, "extra_groups": []}
            subprocess.run([python, "-c", check], check=True, capture_output=True, cwd="/", env=environment, **who)
        except (OSError, subprocess.CalledProcessError):
            continue
        return python, environment
    pytest.skip("There is no Python that an ordinary user may run with this environment")
