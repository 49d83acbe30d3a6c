"""The vendor side as a process that writes down every call: python -m tests.chaos.vendors SHELF LOG FAULTS.

A line of the log is the instant of the asking (epoch seconds), the status and length of the answer, and the target.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TextIO

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from barhouse.api import vendor_side
from barhouse.api.compat.frames import FrameShelf
from barhouse.api.faults.script import script

PAGE = 10_000
"""Minutes of bars on a page of Polygon, so that there are many."""


class Logging:
    """Writes down what was asked when, once it was answered."""

    def __init__(self, app: ASGIApp, log: TextIO) -> None:
        self._app = app
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked, status, length = time.time(), 0, 0

        async def noted(message: Message) -> None:
            nonlocal status, length
            status = message.get("status", status)
            length += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            if scope["type"] == "http":
                self._log.write(f"{asked:.6f} {status} {length} {scope['path']}?{scope['query_string'].decode()}\n")


def main(shelf: str, log: str, faults: str) -> None:
    """Serve until the input ends."""
    app = vendor_side.create(FrameShelf.folder(Path(shelf)), most=PAGE, faults=script(faults))
    with Path(log).open("w", buffering=1) as lines:
        app.add_middleware(Logging, log=lines)
        vendor_side.serve(app, "127.0.0.1", 0, until_stdin_closes=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
