"""Which answers besides the good one each operation gives, and how they look."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from barhouse.api.bodies import MOST, PATIENCE
from barhouse.api.compat.refusals import refusal, shape
from barhouse.api.errors import AWAY
from barhouse.api.openapi.components import of, referred
from barhouse.api.roles import needed
from barhouse.api.shapes import Problem
from barhouse.errors import (
    AmbiguousSymbol,
    InvalidTimeframe,
    KeyNeeded,
    RoleNeeded,
    TooLarge,
    TooManyCalls,
    TooSlow,
    UnknownSymbol,
)

LIMITS = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "RateLimit-Policy")

MEANINGS: dict[int, tuple[str, str]] = {
    400: ("No such timeframe or asset class, or a body that is no text", str(InvalidTimeframe(("2h", "3d")))),
    401: (
        "No key, or none that is good",
        str(KeyNeeded()),
    ),
    403: (
        "A key with another role, or a page of another site",
        str(RoleNeeded("admin", "read")),
    ),
    404: ("Nobody keeps that", str(UnknownSymbol("NONE"))),
    409: ("The symbol is several instruments", str(AmbiguousSymbol("BTC", ("etf", "crypto")))),
    408: ("A body that comes too slowly", str(TooSlow(PATIENCE))),
    413: ("A body that is too long", str(TooLarge(MOST))),
    422: ("A parameter out of range or of the wrong form", "limit: Input should be greater than or equal to 1"),
    429: ("Too many calls", str(TooManyCalls(600, 7))),
    503: ("The database is away", AWAY),
}
"""What a status means, and an example of it."""

CHOSEN = {"timeframe", "timeframes", "resample_from", "asset_class"}
"""Fields of which another word is refused with 400."""

TAKEN = "What is there now does not allow it"
CONFLICTS = {
    "keys_create", "keys_rotate", "keys_revoke", "keys_restore", "keys_delete", "admin_symbols_update",
    "quarantine_release", "quarantine_reject", "duplicates_undo", "jobs_backfill",
}  # fmt: skip
"""Operations that what is there may not allow (409)."""

NUMBERS = {"quarantine_rejudge", "quarantine_release", "quarantine_reject"}
"""Operations over rows that bodies or queries name by their numbers: 404 where there is no such row."""

WELCOMING = {"enrichment_status", "enrichment_job_status", "admin_symbols_create"}
"""Operations that know something to say of what nobody keeps."""

VENDORS = {"polygon": (400,), "binance": (400,), "yahoo": (400, 404)}
"""What vendors refuse by themselves."""


def complete(path: str, method: str, operation: dict[str, Any], asked: set[str]) -> None:
    """Add the refusals of an operation that asks for fields of these names, and the headers of its answers."""
    answers = operation["responses"]
    answers.pop("422", None)
    own = set(_vendors(path) if shape(path) else _own(path, operation, asked))
    for status in sorted(own | set(_at_the_door(path, method))):
        answers.setdefault(str(status), _answer(path, operation["operationId"], status))
    for status, answer in answers.items():
        _headed(path, method, int(status), answer, is_marked="304" in answers)


def _at_the_door(path: str, method: str) -> Iterator[int]:
    """What is refused before the endpoint is asked."""
    yield from (403, 422)
    if needed(method.upper(), path) is not None:
        yield from (401, 429, 503)
    if method not in ("get", "head"):
        yield from (408, 413)


def _vendors(path: str) -> tuple[int, ...]:
    return VENDORS[path.split("/", 3)[2]]


def _own(path: str, operation: dict[str, Any], asked: set[str]) -> Iterator[int]:
    """What an endpoint refuses, as what it asks for tells."""
    name = operation["operationId"]
    if asked & CHOSEN or "requestBody" in operation:
        yield 400
    if ("{" in path or asked & {"symbol", "symbols"} or name in NUMBERS) and name not in WELCOMING:
        yield 404
    if name in CONFLICTS or (asked & {"symbol", "symbols"} and "asset_class" in asked):
        yield 409


def _answer(path: str, name: str, status: int) -> dict[str, Any]:
    meaning, example = MEANINGS[status]
    if status == 409 and name in CONFLICTS:
        meaning = TAKEN
    vendors = shape(path)
    body = refusal(path, status, example) or {"detail": example}
    content = {"application/json": {"schema": of(vendors or Problem), "example": body}}
    return {"description": meaning, "content": content}


def _headed(path: str, method: str, status: int, answer: dict[str, Any], *, is_marked: bool) -> None:
    """The headers that an answer has."""
    names: list[str] = []
    if needed(method.upper(), path) is not None and status not in (401, 403, 503):
        names += LIMITS
    if status in (HTTPStatus.OK, HTTPStatus.NOT_MODIFIED) and is_marked:
        names.append("ETag")
    if status in (429, 503):
        names.append("Retry-After")
    if status == HTTPStatus.UNAUTHORIZED:
        names.append("WWW-Authenticate")
    if status >= 400 and not shape(path):
        names.append("X-Barhouse-Error")
    if names:
        answer["headers"] = {**answer.get("headers", {}), **referred(*names)}
