"""HEAD, wherever GET is: the same answer without its body."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from barhouse.api.roles import CHANGING


def has_head(path: str) -> bool:
    """Whether HEAD may ask for what GET gives at a path: what changes something may not be tried out so."""
    return path not in CHANGING


class Heads:
    """Answers HEAD as GET; what is sent piece by piece ends with its headers, as if its reader had left."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, HEAD as if it were GET."""
        if scope["type"] == "http" and scope["method"] == "HEAD" and has_head(scope["path"]):
            await self._app({**scope, "method": "GET"}, receive, _bodiless(send))
        else:
            await self._app(scope, receive, send)


def _bodiless(send: Send) -> Send:
    """Sends the head of an answer and ends it there; from then on `receive` says that nobody is there."""

    async def bodiless(message: Message) -> None:
        if message["type"] == "http.response.start":
            await send(message)
            await send({"type": "http.response.body"})

    return bodiless
