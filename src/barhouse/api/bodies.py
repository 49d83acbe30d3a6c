"""No body is longer than anybody needs."""

from __future__ import annotations

from fastapi import Request
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from barhouse.api import errors
from barhouse.errors import TooLarge

MOST = 2**20
"""Bytes of the longest body."""


class Bodies:
    """Refuses longer ones: by what they say of themselves before anything is read, else as soon as it is too much."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is short enough."""
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD"):
            await self._app(scope, receive, send)
        elif _said(scope) > MOST:
            await (await errors.known(Request(scope), TooLarge(MOST)))(scope, receive, send)
        else:
            await self._app(scope, _measured(receive), send)


def _said(scope: Scope) -> int:
    """The length of a body by its own word; 0 without one."""
    said = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    return int(said) if said.isdigit() and len(said) < 19 else 0


def _measured(receive: Receive) -> Receive:
    read = 0

    async def measured() -> Message:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        if read > MOST:
            # The one kind of error that the framework lets through while it reads a body
            raise HTTPException(TooLarge.status, str(TooLarge(MOST)))
        return message

    return measured
