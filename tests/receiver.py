"""A receiver of webhooks on the loopback: a real HTTP server that keeps what it got, and answers as it is told."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

NEVER = 0
"""In the place of a status: the answer is held back until the receiver ends."""


@dataclass
class Receiver:
    """What came, and the statuses of the next answers; afterwards all is 204."""

    url: str
    answers: list[int]
    posts: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The bodies, read."""
        return [json.loads(body) for _, body in self.posts]


@contextmanager
def receiver(answers: Sequence[int] = ()) -> Iterator[Receiver]:
    """One that listens until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            there.posts.append(({name.lower(): value for name, value in self.headers.items()}, body))
            answer = there.answers.pop(0) if there.answers else 204
            if answer is NEVER:
                over.wait()
                return
            self.send_response(answer)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    over = threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    there = Receiver(f"http://127.0.0.1:{server.server_port}/hook?token=s3cret", list(answers))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield there
    finally:
        over.set()
        server.shutdown()
        server.server_close()
        thread.join()
