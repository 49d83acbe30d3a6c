"""Answers that end late or never are what the OpenAPI says, too; schemathesis would wait for their end."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import orjson
import pytest

from barhouse.api.openapi import operations
from tests.contract.openapi.asking import ENDLESS, drawn, keyed, opened

JOB, BACKFILL = "/api/v1/enrichment/jobs/{}/events", "/api/v1/backfill/status/{}/events"
STREAM = "/api/v1/stream"
NOBODYS = "0b3c8f0e-6c1d-4a57-9a0e-2f6a3f0b7c11"


@pytest.fixture(scope="module")
def web(warehouse: str) -> Iterator[httpx.Client]:
    """Calls with an admin's key."""
    with (
        opened(warehouse) as base,
        httpx.Client(base_url=base, headers={"X-API-Key": keyed(warehouse)["admin"]}) as web,
    ):
        yield web


def begun(web: httpx.Client, path: str, **params: str) -> tuple[int, str, str]:
    """The status of a stream, its type, and what comes first."""
    with web.stream("GET", path, params=params) as answer:
        return answer.status_code, answer.headers["content-type"].split(";")[0], next(answer.iter_text())


def test_they_are_those_that_the_openapi_calls_streams() -> None:
    told = operations(orjson.loads(drawn()))

    streams = [
        each["operationId"]
        for _, _, each in told
        if "text/event-stream" in each["responses"].get("200", {}).get("content", {})
    ]

    assert sorted(streams) == sorted(ENDLESS)


def test_they_begin_as_they_are_told(web: httpx.Client) -> None:
    job = web.post("/api/v1/enrichment/trigger", params={"symbol": "AAPL"}).json()["job_id"]

    answers = [begun(web, JOB.format(job)), begun(web, BACKFILL.format(job)), begun(web, STREAM, symbols="AAPL")]

    assert [(status, kind) for status, kind, _ in answers] == [(200, "text/event-stream")] * 3
    assert all("event: progress" in text for _, _, text in answers[:2])
    assert answers[2][2].startswith(": alive")


@pytest.mark.parametrize(
    ("path", "params", "status"),
    [
        (JOB.format(NOBODYS), {}, 404),
        (BACKFILL.format("x"), {}, 404),
        (STREAM, {"symbols": "NONE"}, 404),
        (STREAM, {"symbols": "AAPL", "timeframe": "2h"}, 400),
        (STREAM, {"symbols": "AAPL", "asset_class": "bond"}, 400),
        (STREAM, {}, 422),
    ],
)
def test_they_refuse_before_they_begin(web: httpx.Client, path: str, params: dict[str, str], status: int) -> None:
    answer = web.get(path, params=params)

    assert answer.status_code == status
    assert answer.json().keys() == {"detail"}


@pytest.mark.parametrize("path", [JOB.format(NOBODYS), BACKFILL.format(NOBODYS), f"{STREAM}?symbols=AAPL"])
def test_they_take_a_key(web: httpx.Client, path: str) -> None:
    assert httpx.get(web.base_url.join(path)).status_code == 401
