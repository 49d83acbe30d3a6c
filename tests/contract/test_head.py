"""HEAD asks for what GET gives, over real sockets: the same status and headers, no body, and no work for one."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from barhouse.api.app import create
from barhouse.api.vendor_side import served
from barhouse.config import Settings
from tests.servers import Server
from tests.warehouse import filled
from tests.workers import until

LONG = "/api/v1/historical/AAPL?limit=3000"
PAUSE = "/api/v1/enrichment/pause"


@pytest.fixture(scope="module")
def app(server: Server) -> Iterator[FastAPI]:
    with filled(server) as database:
        yield create(Settings(database_url=SecretStr(database)))


@pytest.fixture(scope="module")
def url(app: FastAPI) -> Iterator[str]:
    with served(app) as url:
        yield url


def told(method: str, url: str, accepted: str = "identity", **headers: str) -> tuple[int, dict[str, str], int]:
    """The status and the headers of an answer, and how many bytes came; less the date."""
    with httpx.stream(method, url, headers={"Accept-Encoding": accepted, **headers}, timeout=10) as response:
        size = sum(map(len, response.iter_raw()))
        return response.status_code, {k: v for k, v in response.headers.items() if k != "date"}, size


@pytest.mark.parametrize("accepted", ["identity", "gzip", "zstd"])
@pytest.mark.parametrize(
    "path",
    [
        "/health",
        "/openapi.json",
        LONG,
        "/api/v1/historical/NOBODY",
        "/api/v1/historical/AAPL?limit=-1",
        "/api/v1/admin/symbols/AAPL/trigger",
        "/compat/polygon/v2/aggs/ticker/AAPL/range/1/day/2020-01-01/2020-02-01",
        "/static/frame.css",
        "/docs",
        "/nowhere",
    ],
)
def test_a_head_is_that_of_the_answer(url: str, path: str, accepted: str) -> None:
    status, headers, _ = told("GET", url + path, accepted)

    assert told("HEAD", url + path, accepted) == (status, headers, 0)


@pytest.mark.parametrize("form", ["csv", "ndjson", "arrow", "parquet"])
def test_what_is_streamed_ends_with_its_head(url: str, form: str) -> None:
    path = f"{url}/api/v1/bars?symbols=*&format={form}"
    status, headers, _ = told("GET", path)
    headers.pop("transfer-encoding")

    assert told("HEAD", path) == (status, headers, 0)


def test_who_asks_for_the_head_of_a_stream_does_not_listen(app: FastAPI, url: str) -> None:
    with httpx.Client(timeout=5) as client:
        answer = client.head(f"{url}/api/v1/stream?symbols=AAPL")

        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        until(lambda: not app.state.warehouse.listening.is_looking)


def test_a_connection_goes_on_behind_a_head(url: str) -> None:
    with httpx.Client(base_url=url) as client:
        answers = [
            client.request(*each) for each in (("HEAD", LONG), ("GET", LONG), ("HEAD", "/api/v1/stream?symbols=AAPL"))
        ]
        answers.append(client.get("/health"))

    assert [answer.status_code for answer in answers] == [200] * 4
    assert [len(answer.content) > 0 for answer in answers] == [False, True, False, True]


def test_a_mark_that_is_known_is_known_to_head(url: str) -> None:
    mark = httpx.head(url + LONG).headers["etag"]

    assert told("HEAD", url + LONG, **{"If-None-Match": mark})[0] == 304


def test_what_changes_something_is_not_tried_out(url: str) -> None:
    refused = httpx.head(url + PAUSE)

    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, POST")
    assert httpx.post(url + PAUSE).json()["message"].endswith("done all the same"), "it was not paused before"


def test_who_may_not_is_told_what_there_is(url: str) -> None:
    assert httpx.delete(f"{url}/api/v1/status").headers["allow"] == "GET, HEAD"
    assert httpx.head(f"{url}/api/v1/enrichment/trigger").headers["allow"] == "POST"
