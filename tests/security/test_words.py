"""Words that nobody means well, in every place where a caller may put one: told by their status, and nothing breaks."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from barhouse.api.app import create
from barhouse.config import Settings
from tests.security.up import OURS, Up

WORDS = [
    "' OR 1=1--",
    "'; DROP TABLE bar; --",
    "%s%(x)s{0}$1",
    "a\0b",
    "../../../../etc/passwd",
    "A" * 10_000,
    "\x1b[31m\r\nX-Evil: 1",
    "\u202egpj.",
    "-1",
    "9" * 50,
    "9999-12-31T23:59:59.999999Z",
]
BYTES = ["%ff%fe", "%ed%a0%80", "%zz"]
"""What is no UTF-8, or is encoded badly."""

REFUSED = (400, 404, 405, 409, 422)

Place = tuple[str, str, str]
"""A method, a path, and the name of one of its parameters."""


@cache
def places() -> list[Place]:
    """Every parameter of every call in the documentation, less the streams, which do not end."""
    return [
        (method, path, each["name"])
        for path, calls in create(Settings()).openapi()["paths"].items()
        for method, call in calls.items()
        for each in call.get("parameters", ())
        if each["in"] != "header" and not path.endswith(("/stream", "/events"))
    ]


def target(place: Place, word: str) -> str:
    """A call that says a word in one place, and what is usual in the others."""
    _, path, name = place
    usual = {"symbol": "AAPL", "ticker": "AAPL", "timespan": "day", "start": "2024-01-01", "end": "2024-01-31"}
    query = [] if f"{{{name}}}" in path else [f"{name}={word}"]
    query += ["symbols=AAPL"] if path.endswith("/bars") and name != "symbols" else []
    query += ["dry_run=true"] if path.endswith("/cleanup") and name != "dry_run" else []
    for part in [part[1:-1] for part in path.split("/") if part.startswith("{")]:
        path = path.replace(f"{{{part}}}", word if part == name else usual.get(part, "1"))
    return path + ("?" + "&".join(query) if query else "")


@pytest.fixture(scope="module")
def web(barhouse: Up) -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False, timeout=120) as web:
        yield web


def stored(web: httpx.Client, barhouse: Up) -> Any:
    """What the warehouse holds, as a caller sees it."""
    found = web.get(f"{barhouse.address}/api/v1/status").json()
    return {name: found[name] for name in ("instruments", "series", "bars")}


def test_the_walk_comes_to_the_parameters() -> None:
    assert len(places()) > 150
    assert ("get", "/api/v1/historical/{symbol}", "cursor") in places()


@pytest.mark.parametrize("word", [*(quote(each, safe="") for each in WORDS), *BYTES], ids=lambda word: word[:24])
def test_no_word_in_any_parameter_does_more_than_be_refused(barhouse: Up, web: httpx.Client, word: str) -> None:
    before = stored(web, barhouse)

    for place in places():
        answer = web.request(place[0], barhouse.address + target(place, word))
        assert answer.status_code in (200, *REFUSED), (place, answer.status_code, answer.text[:300])
        assert not [each for each in OURS if each in answer.text], (place, answer.text[:300])
        assert "x-evil" not in answer.headers

    assert stored(web, barhouse) == before
