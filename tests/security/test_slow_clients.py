"""Clients that take their time, or never come to an end: they are let go, and all others are served meanwhile."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx
import pytest

from barhouse.api import wire
from tests.security.up import Said, Up, heard

STREAM = "/api/v1/historical/AAPL?format=csv&features=true"
MANY = 12
"""So many answers that the system does not hold them all for a client."""


def dripping(barhouse: Up, first: bytes, drip: bytes) -> tuple[Said, float]:
    """What is said to a client that adds a little now and then, and after how long; 0 for nothing."""
    with barhouse.connected(60) as line:
        begun = time.monotonic()
        line.sendall(first)
        line.settimeout(0.05)
        while time.monotonic() - begun < 60:
            try:
                if line.recv(1, socket.MSG_PEEK) or True:
                    break
            except TimeoutError:
                line.sendall(drip)
            except ConnectionResetError:
                break
        line.settimeout(60)
        return heard(line), time.monotonic() - begun


@pytest.mark.parametrize(
    ("first", "drip", "status"),
    [
        (b"", b"", 0),
        (b"", b"\r\n", 0),
        (b"GET /health HTTP/1.1\r\n", b"X: 1\r\n", 408),
        (b"GET /health HTTP/1.1\r\nX: ", b"a", 408),
        (b"POST /api/v1/admin/symbols HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n", b"a", 408),
        (b"POST /api/v1/admin/symbols HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"a", 408),
    ],
    ids=["silent", "line ends", "headers", "a header", "a body", "a chunk"],
)
def test_who_does_not_come_to_the_point_is_let_go(barhouse: Up, first: bytes, drip: bytes, status: int) -> None:
    answer, took = dripping(barhouse, first, drip)

    assert answer.status == status
    assert 0.9 < took < 30, "patience is one second here"


@contextmanager
def unread(barhouse: Up, count: int, calls: int = 1) -> Iterator[list[socket.socket]]:
    """Clients that ask for so many answers at once, and read nothing of them."""
    with ExitStack() as stack:
        lines = []
        for _ in range(count):
            line = stack.enter_context(socket.socket())
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            line.settimeout(120)
            line.connect(("127.0.0.1", barhouse.port))
            once = barhouse.head(STREAM.encode())
            line.sendall(once.replace(b"Connection: close\r\n", b"") * (calls - 1) + once)
            lines.append(line)
        yield lines


def csv(barhouse: Up) -> bytes:
    """The whole answer, read as one does."""
    told = {"Accept-Encoding": "identity"}
    return httpx.get(barhouse.address + STREAM, headers=told, trust_env=False, timeout=120).content


def served(barhouse: Up, path: str = "/api/v1/historical/AAPL?limit=100") -> float:
    """Seconds that somebody else's call takes meanwhile."""
    begun = time.monotonic()
    answer = httpx.get(barhouse.address + path, trust_env=False, timeout=120)
    assert answer.status_code == 200, answer.text
    return time.monotonic() - begun


def test_who_does_not_read_is_let_go_and_keeps_nobody_waiting(barhouse: Up) -> None:
    whole = MANY * len(csv(barhouse))

    with unread(barhouse, 12, MANY) as lines:
        took = [served(barhouse) for _ in range(20)] + [served(barhouse, STREAM)]
        time.sleep(3)
        read = [len(heard(line).body) for line in lines]

    assert sum(size < whole for size in read) > len(read) / 2, "the first to be read may have been in time"
    assert max(took) < 60


def test_who_reads_slowly_but_reads_gets_all(barhouse: Up) -> None:
    whole = csv(barhouse)

    with unread(barhouse, 1) as [line]:
        pieces = []
        while piece := line.recv(2**14):
            pieces.append(piece)
            time.sleep(0.02)

    assert len(b"".join(pieces)) > len(whole)


def test_the_five_hundred_and_first_makes_the_most_silent_leave(barhouse: Up) -> None:
    with ExitStack() as stack:
        for _ in range(wire.MOST + 100):
            stack.enter_context(barhouse.connected())

        assert served(barhouse) < 60
