"""A vendor side that misbehaves: the script's faults between its answers and the wire."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from barhouse.api.faults.kinds import Call, Ending, Reply
from barhouse.api.faults.script import Rule, Script

_OF_THE_MOMENT = {"apiKey", "period2"}
"""What makes two requests for the same differ: the key, and Yahoo's end of a span, which is now."""

_RESET = struct.pack("ii", 1, 0)
"""Linger for no time: the connection is not ended but reset."""


class Breakable(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
    """HTTP whose connection an application may break: it is `scope["state"]["transport"]`."""

    app_state: dict[str, Any]

    def connection_made(self, transport: asyncio.Transport) -> None:
        """A client came."""
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


@dataclass(slots=True)
class Faults:
    """The script that a running vendor side follows, and how often each fault came."""

    script: Script = field(default_factory=Script)
    told: Counter[str] = field(default_factory=Counter)
    _asked: Counter[object] = field(default_factory=Counter)

    def follow(self, script: Script) -> None:
        """From now on follow another script; all counts begin anew."""
        self.script = script
        self.told.clear()
        self._asked.clear()

    def spoilt(self, reply: Reply, vendor: str, target: str) -> Reply:
        """The reply to a call as the script has it."""
        self._asked[target] += 1
        call = Call(vendor, target, self.script.seed, self._asked[target])
        for place, rule in enumerate(self.script.rules):
            if rule.when.concerns(vendor, target) and self._comes(place, rule, call):
                self.told[rule.fault.name] += 1
                reply = rule.fault.spoil(reply, call, **rule.options)
        return reply

    def _comes(self, place: int, rule: Rule, call: Call) -> bool:
        """Whether a rule falls on this call, which counts for it either way."""
        counted = (place, call.target if rule.when.each else None)
        self._asked[counted] += 1
        return rule.when.falls_on(self._asked[counted], call.lot(place, call.target, call.asked))


class Faulty:
    """Sends each vendor's answers as the script of `faults` spoils them; `vendor_of` tells whose a path is."""

    def __init__(self, app: ASGIApp, faults: Faults, vendor_of: Callable[[str], str | None]) -> None:
        self._app, self._faults, self._vendor_of = app, faults, vendor_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        vendor = self._vendor_of(scope.get("path", "")) if scope["type"] == "http" else None
        if vendor is None:
            await self._app(scope, receive, send)
            return
        reply = self._faults.spoilt(await _answered(self._app, scope, receive), vendor, _target(scope))
        await asyncio.sleep(reply.wait)
        if reply.sent is not None:
            await _send(reply, send)
        if reply.ending is not Ending.WHOLE:
            await _ended(reply.ending, scope["state"]["transport"], receive)


def _target(scope: Scope) -> str:
    """What is asked for, however often: the path, and the query less what changes from time to time."""
    asked = parse_qsl(scope["query_string"].decode("latin-1"))
    query = urlencode(sorted((name, value) for name, value in asked if name not in _OF_THE_MOMENT), safe="/:,")
    return f"{scope['path']}?{query}"


async def _answered(app: ASGIApp, scope: Scope, receive: Receive) -> Reply:
    """What the vendor would say."""
    messages: list[Message] = []

    async def gather(message: Message) -> None:
        messages.append(message)

    await app(scope, receive, gather)
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in messages[0]["headers"]}
    body = b"".join(message.get("body", b"") for message in messages[1:])
    return Reply(messages[0]["status"], {"date": format_datetime(datetime.now(UTC), usegmt=True), **headers}, body)


async def _send(reply: Reply, send: Send) -> None:
    """The head, which tells the length of the whole body, and what is sent of that."""
    whole = reply.ending is Ending.WHOLE
    headers: Mapping[str, str] = {**reply.headers, "content-length": str(len(reply.body))}
    told = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": reply.status, "headers": told})
    body = reply.body[: int(len(reply.body) * (reply.sent or 0))]
    size = max(-(-len(body) // reply.pieces), 1)
    for start in range(0, max(len(body), 1), size):
        await asyncio.sleep(reply.pause if start else 0)
        last = whole and start + size >= len(body)
        await send({"type": "http.response.body", "body": body[start : start + size], "more_body": not last})


async def _ended(ending: Ending, transport: asyncio.Transport, receive: Receive) -> None:
    """End the connection, or break it, and wait until it is gone; the client may have left before."""
    if transport.is_closing():
        return
    if ending is Ending.RESET:
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        transport.abort()
    else:
        transport.close()
    while (await receive())["type"] != "http.disconnect":
        pass
