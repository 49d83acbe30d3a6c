"""Who may call what: a key or a cookie, its role, its limit; asked before anything else of a call is read."""

from __future__ import annotations

from urllib.parse import quote

from fastapi import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from barhouse.api import errors
from barhouse.api.dashboard import frame
from barhouse.api.door import Caller, Door
from barhouse.api.limits import WINDOW, Purse
from barhouse.api.roles import changes, needed
from barhouse.errors import BarhouseError, KeyNeeded, RoleNeeded, TooManyCalls
from barhouse.store.keys import Role

COOKIE = "barhouse_session"

_COOKIE = COOKIE.encode()

CHALLENGE = {"WWW-Authenticate": 'Bearer realm="barhouse"'}

HEADERS = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "RateLimit-Policy")
"""What answers say of the limit of their caller."""

_RAW = tuple(name.lower().encode() for name in HEADERS)

PROGRAMS = ("/api/", "/compat/", "/openapi.json", "/metrics")
"""Paths whose callers get an error where people get the page on which they sign in."""


class Access:
    """Lets in who may come in. `request.state.caller` tells the rest who it is."""

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self._app, self._door = app, door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what may pass."""
        role = needed(scope["method"], scope["path"]) if scope["type"] == "http" else None
        if role is None:
            await self._app(scope, receive, send)
            return
        try:
            caller = await self._admitted(scope, role)
            purse = await self._door.counted(caller)
        except BarhouseError as error:
            await (await _refusal(scope, error))(scope, receive, send)
            return
        scope.setdefault("state", {})["caller"] = caller
        await self._app(scope, receive, send if purse is None else _telling(send, purse))

    async def _admitted(self, scope: Scope, role: Role) -> Caller:
        """Who calls, if he may; KeyNeeded (401), RoleNeeded (403)."""
        key, cookie = credentials(scope)
        caller = await self._door.caller(scope, key, cookie)
        if caller is None and not changes(scope["method"], scope["path"]):
            caller = self._door.passer_by(scope)
            if caller and not caller.role.covers(role):
                raise KeyNeeded
        if caller is None:
            raise KeyNeeded
        if not caller.role.covers(role):
            raise RoleNeeded(role, caller.role)
        return caller


def credentials(scope: Scope) -> tuple[bytes | None, bytes | None]:
    """The key and the cookie of a call, as they came; X-API-Key goes before Authorization."""
    key = bearer = cookie = None
    for name, value in scope["headers"]:
        if name == b"x-api-key":
            key = value
        elif name == b"authorization" and value[:7].lower() == b"bearer ":
            bearer = value[7:].strip()
        elif name == b"cookie":
            cookie = _session(value) or cookie
    return (bearer if key is None else key), cookie


def _session(cookies: bytes) -> bytes | None:
    for each in cookies.split(b";"):
        name, _, value = each.strip().partition(b"=")
        if name == _COOKIE:
            return value
    return None


async def _refusal(scope: Scope, error: BarhouseError) -> Response:
    """An error with what belongs to it; a person is shown where to sign in."""
    if isinstance(error, KeyNeeded) and frame.is_swapped(Request(scope)):
        return frame.signin_page(Request(scope))
    if isinstance(error, KeyNeeded) and _is_person(scope):
        return RedirectResponse(f"/signin?next={quote(scope['path'], safe='')}", 303)
    response = await errors.known(Request(scope), error)
    match error:
        case KeyNeeded():
            response.headers.update(CHALLENGE)
        case TooManyCalls(retry_after=wait):
            response.headers.update({"Retry-After": str(wait), HEADERS[1]: "0", HEADERS[2]: str(wait)})
    return response


def _is_person(scope: Scope) -> bool:
    accepted = next((value for name, value in scope["headers"] if name == b"accept"), b"")
    return scope["method"] == "GET" and not scope["path"].startswith(PROGRAMS) and b"text/html" in accepted


def _telling(send: Send, purse: Purse) -> Send:
    """Sends an answer that says how many calls are left."""

    async def telling(message: Message) -> None:
        if message["type"] == "http.response.start":
            told = (purse.most, purse.remaining, purse.reset, f"{purse.most};w={WINDOW}")
            message["headers"] = [*message["headers"], *zip(_RAW, (str(each).encode() for each in told), strict=True)]
        await send(message)

    return telling
