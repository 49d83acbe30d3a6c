"""No body is longer than anybody needs, nor slower, and no call says what no text of PostgreSQL can hold."""

from __future__ import annotations

import asyncio

from fastapi import Request
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from barhouse.api import errors
from barhouse.errors import BarhouseError, InvalidParameter, RequestError, TooLarge, TooSlow

MOST = 2**20
"""Bytes of the longest body."""

PATIENCE = 20.0
"""Seconds that a body may take."""

NUL = "A NUL is in the path or in the query; nothing here is called so"


class Bodies:
    """Refuses longer ones: by what they say of themselves before anything is read, else as soon as it is too much."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is short enough."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif "\0" in scope["path"] or b"%00" in scope["query_string"]:
            await _refuse(InvalidParameter(NUL), scope, receive, send)
        elif scope["method"] in ("GET", "HEAD"):
            await self._app(scope, receive, send)
        elif _said(scope) > MOST:
            await _refuse(TooLarge(MOST), scope, receive, send)
        else:
            await self._app(scope, _measured(receive), send)


async def _refuse(error: BarhouseError, scope: Scope, receive: Receive, send: Send) -> None:
    await (await errors.known(Request(scope), error))(scope, receive, send)


def _said(scope: Scope) -> int:
    """The length of a body by its own word; 0 without one."""
    said = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    return int(said) if said.isdigit() and len(said) < 19 else 0


def _measured(receive: Receive) -> Receive:
    """Hears a body that is neither too long nor too late as a whole; what comes behind it may take its time."""
    read, until, is_whole = 0, asyncio.get_running_loop().time() + PATIENCE, False

    async def measured() -> Message:
        nonlocal read, is_whole
        try:
            async with asyncio.timeout_at(None if is_whole else until):
                message = await receive()
        except TimeoutError:
            raise _unread(TooSlow(PATIENCE)) from None
        read += len(message.get("body", b""))
        is_whole = not message.get("more_body", False)
        if read > MOST:
            raise _unread(TooLarge(MOST))
        return message

    return measured


def _unread(error: RequestError) -> HTTPException:
    """The one kind of error that the framework lets through while it reads a body."""
    return HTTPException(error.status, str(error), {"Connection": "close"})
