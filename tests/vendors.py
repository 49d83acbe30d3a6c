"""A vendor's host on loopback that answers by a script: real sockets, every fault of a network."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

import orjson

HTML = b"<!DOCTYPE html><html><body>Service Unavailable</body></html>"


@dataclass(frozen=True, slots=True)
class Request:
    """What a client sent; header names in lower case."""

    target: str
    headers: Mapping[str, str]

    @property
    def path(self) -> str:
        """The target without its query."""
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        """The parameters after the question mark."""
        return dict(parse_qsl(urlsplit(self.target).query))


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer and its faults.

    `cut` ends the connection after so many bytes of the body, `reset` breaks it in the middle, `stall` waits
    so many seconds before the body.
    """

    body: bytes = b"{}"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: int | None = None
    reset: bool = False
    stall: float = 0.0

    @classmethod
    def json(cls, body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
        """An answer in JSON."""
        return cls(orjson.dumps(body), status, headers or {})

    @property
    def head(self) -> bytes:
        """The status line and headers; the length told is that of the whole body."""
        told = {"content-type": "application/json", "content-length": str(len(self.body)), **self.headers}
        lines = [f"HTTP/1.1 {self.status} said by the script", *(f"{k}: {v}" for k, v in told.items())]
        return "\r\n".join([*lines, "connection: close", "", ""]).encode("latin-1")


Script = Callable[[Request], Reply]


@dataclass
class Vendor:
    """The running host: its `url`, and the requests that came so far."""

    url: str
    script: Script
    requests: list[Request] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    @property
    def calls(self) -> int:
        """How often it was asked."""
        return len(self.requests)

    def serve(self, connection: socket.socket) -> None:
        """Answer one request and end the connection, as the script says."""
        with connection, contextlib.suppress(OSError):
            request = _read(connection)
            if request is None:
                return
            self.requests.append(request)
            self._send(connection, self.script(request))

    def _send(self, connection: socket.socket, reply: Reply) -> None:
        connection.sendall(reply.head)
        if reply.stall:
            self.stopped.wait(reply.stall)
        whole = len(reply.body) // 2 if reply.reset else len(reply.body)
        connection.sendall(reply.body[: whole if reply.cut is None else reply.cut])
        if reply.reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _read(connection: socket.socket) -> Request | None:
    received = b""
    while b"\r\n\r\n" not in received:
        if not (chunk := connection.recv(65536)):
            return None
        received += chunk
    first, *lines = received.split(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Request(first.split(" ")[1], headers)


def in_turn(replies: Sequence[Reply]) -> Script:
    """The replies one after the other; the last one for ever."""
    left = list(replies)

    def script(_: Request) -> Reply:
        return left.pop(0) if len(left) > 1 else left[0]

    return script


@contextlib.contextmanager
def vendor(script: Script | Reply | Sequence[Reply]) -> Iterator[Vendor]:
    """A host that follows `script`: one reply for ever, replies in turn, or a function of the request."""
    if isinstance(script, Reply):
        script = [script]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        host = Vendor(url, script if callable(script) else in_turn(script))
        threading.Thread(target=_accept, args=(listener, host), daemon=True).start()
        try:
            yield host
        finally:
            host.stopped.set()
            listener.shutdown(socket.SHUT_RDWR)


def _accept(listener: socket.socket, host: Vendor) -> None:
    with contextlib.suppress(OSError):
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=host.serve, args=(connection,), daemon=True).start()
