"""A Barhouse that is up in a process of its own, as people run it, and clients without manners."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest

from tests.servers import free_port

IMPATIENT = """
from barhouse.api import bodies, wire
bodies.PATIENCE = wire.SOON = wire.STANDSTILL = {patience}
wire.LOOK = {patience} / 10
from barhouse.cli import main
main()
"""
"""The same Barhouse, which waits less long for slow clients than people like."""

OURS = ("Traceback", "/src/", "site-packages", "psycopg", "postgresql://", "SQLSTATE", 'File "')
"""Words of which no caller hears."""


@dataclass(frozen=True)
class Said:
    """An answer as it came over the wire; status 0 for a connection that was ended without a word."""

    status: int
    head: str
    body: bytes


@dataclass(frozen=True)
class Up:
    """A Barhouse that runs."""

    port: int
    process: psutil.Process
    log: Path

    @property
    def address(self) -> str:
        """Its base URL."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def memory(self) -> float:
        """The MB that it holds."""
        return float(self.process.memory_info().rss / 1e6)

    def written(self) -> str:
        """What it has logged until now."""
        return self.log.read_bytes().decode()

    def connected(self, patience: float = 120) -> socket.socket:
        """A connection over which a client may say what it likes."""
        return socket.create_connection(("127.0.0.1", self.port), patience)

    def say(self, request: bytes) -> Said:
        """The answer to these very bytes; whoever sent them ends the connection then."""
        with self.connected() as wire:
            _sent(wire, request)
            return heard(wire)

    def get(self, target: bytes, *headers: bytes, method: bytes = b"GET") -> Said:
        """The answer to a call of this very target."""
        return self.say(self.head(target, *headers, method=method))

    def head(self, target: bytes, *headers: bytes, method: bytes = b"GET") -> bytes:
        """The head of such a call, after which the connection ends."""
        told = (b"Host: 127.0.0.1:%d" % self.port, b"Connection: close", *headers)
        return method + b" " + target + b" HTTP/1.1\r\n" + b"\r\n".join(told) + b"\r\n\r\n"


def _sent(wire: socket.socket, request: bytes) -> None:
    try:
        wire.sendall(request)
    except (BrokenPipeError, ConnectionResetError):
        return  # it answered before it had heard all


def heard(wire: socket.socket) -> Said:
    """All that comes until the other end ends the connection."""
    pieces = []
    try:
        while piece := wire.recv(2**16):
            pieces.append(piece)
    except ConnectionResetError:
        pass
    head, _, body = b"".join(pieces).partition(b"\r\n\r\n")
    status = int(head[9:12]) if head.startswith(b"HTTP/1.") else 0
    return Said(status, head.decode("latin-1"), body)


@contextmanager
def up(url: str, folder: Path, *, patience: float = 20.0, **settings: object) -> Iterator[Up]:
    """`barhouse up` over that database, with no vendor to ask."""
    port, log = free_port(), folder / "log"
    told = {
        "data_dir": folder,
        "health_enabled": False,
        "backfill_enabled": False,
        "yahoo_url": "http://127.0.0.1:9",
        **settings,
    }
    own = {f"BARHOUSE_{name.upper()}": str(value) for name, value in told.items()}
    command = [sys.executable, "-c", IMPATIENT.format(patience=patience), "up", "--port", str(port)]
    environment = {**os.environ, "DATABASE_URL": url, **own}
    with (
        log.open("wb") as lines,
        subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=lines) as process,
    ):
        found = Up(port, psutil.Process(process.pid), log)
        try:
            _wait(found)
            yield found
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(120)


def _wait(started: Up) -> None:
    end = time.monotonic() + 180
    while time.monotonic() < end:
        try:
            httpx.get(f"{started.address}/ready", trust_env=False)
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return
    pytest.fail(f"It did not start: {started.written()[-2000:]}")
