"""Bodies and numbers that no decision can be made of: refused by their status, and nothing of ours is told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from barhouse.store.postgres import Database
from tests.contract.test_api import client

DATA = "/api/v1/data"
PATHS = (
    f"{DATA}/anomalies/1/acknowledge",
    f"{DATA}/quarantine/release",
    f"{DATA}/quarantine/reject",
)
BODIES: tuple[Any, ...] = (
    None,
    [],
    "text",
    7,
    {"author": {}, "ids": [1], "reason": "x"},
    {"author": "ann", "ids": [1.5], "reason": "x", "more": 1},
    {"author": "a" * 100_000, "ids": [1], "reason": "x"},
    {"author": "a\x00b", "ids": [1], "reason": "x", "more": "\x00"},
    {"ids": list(range(200_000)), "author": "ann", "reason": "x", "more": "x"},
)
REFUSED = (400, 413, 422)
"""What cannot be parsed, is too large, or is no such body."""

OURS = ("Traceback", "/src/", "site-packages", "SELECT", "psycopg", "postgresql://")


@pytest.fixture
def api(db: Database) -> Iterator[TestClient]:
    with client(db.url) as api:
        yield api


def test_bodies_of_no_form_are_refused_without_a_word_of_ours(api: TestClient) -> None:
    for path in PATHS:
        for body in BODIES:
            answer = api.post(path, json=body)
            assert answer.status_code in REFUSED, (path, str(body)[:60], answer.text[:200])
            assert not [word for word in OURS if word in answer.text], answer.text[:300]
            assert len(answer.text) < 10_000, (path, str(body)[:60], len(answer.text))


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b'{"author": NaN}', b"[" * 20_000])
def test_what_is_no_json_is_refused(api: TestClient, content: bytes) -> None:
    for path in PATHS:
        answer = api.post(path, content=content, headers={"content-type": "application/json"})
        assert answer.status_code in REFUSED, (path, answer.status_code, answer.text[:200])
        assert not [word for word in OURS if word in answer.text]


@pytest.mark.parametrize("number", ["0", "-1", str(2**62), str(2**63), "x", "1.5"])
def test_a_number_of_no_row_is_refused(api: TestClient, number: str) -> None:
    for path in (f"{DATA}/duplicates/{number}/undo", f"{DATA}/anomalies/{number}/acknowledge"):
        answer = api.post(path, json={"author": "ann"})
        assert answer.status_code in (404, 422), (path, answer.text[:200])
        assert not [word for word in OURS if word in answer.text]
