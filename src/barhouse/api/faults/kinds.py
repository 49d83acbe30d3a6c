"""What can go wrong on the way from a vendor: one fault is one small function from an answer to a worse one."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Concatenate, ParamSpec

import orjson

from barhouse.api.faults import rows
from barhouse.api.faults.rows import Row, Wire

P = ParamSpec("P")
Option = float | bool | None

_HTML = b"<!DOCTYPE html><html><head><title>Just a moment...</title></head><body>Back soon.</body></html>"
_TOO_MANY = orjson.dumps({"status": "ERROR", "code": -1003, "msg": "Too many requests.", "error": "Too many requests."})
_BROKEN = orjson.dumps({"status": "ERROR", "error": "Something went wrong on our side."})


class Ending(StrEnum):
    """What becomes of the connection: `whole` keeps it, `closed` ends it, `reset` breaks it."""

    WHOLE = "whole"
    CLOSED = "closed"
    RESET = "reset"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer and how it is sent; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    wait: float = 0.0
    """Seconds before its first byte."""
    pieces: int = 1
    pause: float = 0.0
    """Seconds before each of the `pieces` of the body but the first."""
    sent: float | None = 1.0
    """The share of the body that is sent; None sends not even the head."""
    ending: Ending = Ending.WHOLE

    def instead(self, status: int, body: bytes, kind: str = "application/json", **headers: str) -> Reply:
        """Another answer in the place of this one."""
        return replace(self, status=status, body=body, headers={**self.headers, "content-type": kind, **headers})


@dataclass(frozen=True, slots=True)
class Call:
    """What a vendor was asked: `target` is the path with its query, less the key and the time of asking."""

    vendor: str
    target: str
    seed: int = 0
    asked: int = 1
    """How often the same was asked, this time included."""

    def lot(self, *about: object) -> float:
        """A number in [0, 1) that is drawn anew for each vendor, seed and `about`, and the same each time."""
        drawn = hashlib.blake2b(repr((self.seed, self.vendor, *about)).encode(), digest_size=8).digest()
        return int.from_bytes(drawn) / 2**64


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault; `options` are what a script may set, with their defaults (None: left out)."""

    name: str
    doc: str
    spoil: Callable[..., Reply]
    options: Mapping[str, Option] = field(default_factory=dict)


_faults: dict[str, Fault] = {}

registry: Mapping[str, Fault] = MappingProxyType(_faults)
"""All faults by name."""

Spoiling = Callable[Concatenate[Reply, Call, P], Reply]


def fault(spoil: Spoiling[P]) -> Spoiling[P]:
    """Enrol the function below as a fault under its name; its keywords are the options, its docstring the docs."""
    keywords = [p for p in inspect.signature(spoil).parameters.values() if p.kind is inspect.Parameter.KEYWORD_ONLY]
    options = MappingProxyType({p.name: p.default for p in keywords})
    _faults[spoil.__name__] = Fault(spoil.__name__, (spoil.__doc__ or "").strip(), spoil, options)
    return spoil


@fault
def latency(reply: Reply, call: Call, *, seconds: float = 0.2, spread: float = 0.0) -> Reply:
    """The answer takes `seconds` longer, and up to `spread` more."""
    more = seconds + spread * call.lot("latency", call.target, call.asked)
    return replace(reply, wait=reply.wait + more)


@fault
def trickle(reply: Reply, _: Call, *, seconds: float = 5.0, pieces: int = 20) -> Reply:
    """The body comes in `pieces`, over `seconds`."""
    return replace(reply, pieces=pieces, pause=seconds / max(pieces - 1, 1))


@fault
def limited(reply: Reply, _: Call, *, retry_after: float | None = None, date: bool = False) -> Reply:
    """Status 429, with `Retry-After` where `retry_after` is given: in seconds, or as a date."""
    return reply.instead(429, _TOO_MANY, **_come_back(retry_after, date=date))


@fault
def banned(reply: Reply, call: Call, *, retry_after: float | None = 120.0, date: bool = False) -> Reply:
    """Status 418, as Binance bars an address that went on after a 429; the others know no such thing."""
    if call.vendor != "binance":
        return reply
    return reply.instead(418, _TOO_MANY, **_come_back(retry_after, date=date))


def _come_back(seconds: float | None, *, date: bool) -> dict[str, str]:
    if seconds is None:
        return {}
    when = format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)
    return {"retry-after": when if date else f"{seconds:g}"}


@fault
def error(reply: Reply, _: Call, *, status: int = 503) -> Reply:
    """A failure of the vendor's own: status 503, or another."""
    return reply.instead(status, _BROKEN)


@fault
def reset(reply: Reply, _: Call, *, after: float | None = None) -> Reply:
    """The connection is reset: before the first byte, or `after` that share of the body."""
    return replace(reply, sent=after, ending=Ending.RESET)


@fault
def cut(reply: Reply, _: Call, *, after: float = 0.5) -> Reply:
    """The connection ends `after` that share of the body, whose length was told."""
    return replace(reply, sent=after, ending=Ending.CLOSED)


@fault
def html(reply: Reply, _: Call, *, status: int = 200) -> Reply:
    """A web page in the place of the answer, with status 200."""
    return reply.instead(status, _HTML, "text/html")


@fault
def truncated(reply: Reply, _: Call, *, after: float = 0.5) -> Reply:
    """JSON that stops `after` that share, in an answer that is whole as far as HTTP can tell."""
    return replace(reply, body=reply.body[: int(len(reply.body) * after)])


@fault
def empty(reply: Reply, call: Call) -> Reply:
    """An answer with no bars in it, and no page after it, in the vendor's own words."""
    return _edited(reply, call, lambda _rows, _wire: [])


@fault
def duplicates(reply: Reply, call: Call, *, share: float = 0.1, by: float = 0.01) -> Reply:
    """A `share` of the bars come twice, first with prices lower `by` that share; 0 gives equal rows."""

    def doubled(told: list[Row], wire: Wire) -> list[Row]:
        return [
            each
            for row in told
            for each in ([rows.moved(row, wire, -by), row] if _chosen(call, "duplicates", row, wire, share) else [row])
        ]

    return _edited(reply, call, doubled)


@fault
def restated(reply: Reply, call: Call, *, share: float = 0.1, by: float = 0.01) -> Reply:
    """A `share` of the bars, always the same ones, are told with prices higher `by` that share."""

    def told_anew(told: list[Row], wire: Wire) -> list[Row]:
        return [rows.moved(row, wire, by) if _chosen(call, "restated", row, wire, share) else row for row in told]

    return _edited(reply, call, told_anew)


@fault
def blank(reply: Reply, call: Call, *, share: float = 0.5) -> Reply:
    """A `share` of the bars, always the same ones, come without their close."""

    def lacking(told: list[Row], wire: Wire) -> list[Row]:
        return [rows.blank(row, wire) if _chosen(call, "blank", row, wire, share) else row for row in told]

    return _edited(reply, call, lacking)


@fault
def skewed(reply: Reply, call: Call, *, seconds: float = 86_400.0) -> Reply:
    """The vendor's clock is `seconds` ahead: in `Date`, and in a bar of its time after the last one."""
    told = parsedate_to_datetime(reply.headers["date"]) + timedelta(seconds=seconds)
    ahead = _edited(reply, call, lambda known, wire: rows.with_bar_at(known, wire, told))
    return replace(ahead, headers={**reply.headers, "date": format_datetime(told, usegmt=True)})


def _chosen(call: Call, fault_name: str, row: Row, wire: Wire, share: float) -> bool:
    """Whether the bar of that time is one of the `share` that a fault takes."""
    return call.lot(fault_name, row[wire.time]) < share


def _edited(reply: Reply, call: Call, change: Callable[[list[Row], Wire], list[Row]]) -> Reply:
    """The reply with other bars; as it is where it is no answer with bars."""
    wire = rows.WIRES[call.vendor]
    if reply.status != 200 or not call.target.startswith(wire.path):
        return reply
    try:
        answer = orjson.loads(reply.body)
    except orjson.JSONDecodeError:
        return reply
    return replace(reply, body=orjson.dumps(wire.write(answer, change(wire.read(answer), wire))))
