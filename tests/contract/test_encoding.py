"""What callers that accept encoded answers rely on."""

from __future__ import annotations

import gzip
from collections.abc import Iterator

import httpx
import pyarrow as pa
import pytest
from pydantic import SecretStr

from barhouse.api.app import create
from barhouse.api.vendor_side import served
from barhouse.config import Settings
from tests.servers import Server
from tests.warehouse import filled

LONG = "/api/v1/historical/AAPL?limit=3000"


@pytest.fixture(scope="module")
def url(server: Server) -> Iterator[str]:
    with filled(server) as database, served(create(Settings(database_url=SecretStr(database)))) as url:
        yield url


def raw(url: str, path: str, accepted: str, **headers: str) -> tuple[httpx.Response, bytes]:
    """An answer with its bytes as they came."""
    with httpx.stream("GET", url + path, headers={"Accept-Encoding": accepted, **headers}) as response:
        return response, b"".join(response.iter_raw())


def decoded(encoding: str | None, body: bytes) -> bytes:
    match encoding:
        case "gzip":
            return gzip.decompress(body)
        case "zstd":
            return bytes(pa.CompressedInputStream(pa.BufferReader(body), "zstd").read())
        case _:
            return body


@pytest.mark.parametrize("path", [LONG, "/api/v1/historical/AAPL?format=csv", "/api/v1/bars?symbols=*&format=ndjson"])
@pytest.mark.parametrize(
    ("accepted", "expected"),
    [
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip", "gzip"),
        ("zstd;q=0.1, gzip;q=0.9", "gzip"),
        ("*", "zstd"),
        ("gzip;q=0", None),
        ("identity", None),
        ("br", None),
    ],
)
def test_long_answers_come_as_the_caller_likes_them_best(
    url: str, path: str, accepted: str, expected: str | None
) -> None:
    _, plain = raw(url, path, "identity")

    response, body = raw(url, path, accepted)

    assert response.headers.get("content-encoding") == expected
    assert decoded(expected, body) == plain
    assert expected is None or (len(body) < len(plain) / 2 and "Accept-Encoding" in response.headers["vary"])


@pytest.mark.parametrize("query", ["limit=100", "format=arrow", "format=parquet"])
def test_what_is_short_or_dense_is_left_alone(url: str, query: str) -> None:
    response, _ = raw(url, f"/api/v1/historical/AAPL?{query}", "gzip, zstd")

    assert "content-encoding" not in response.headers
    assert response.headers["etag"].startswith('"')


@pytest.mark.parametrize("path", [LONG, "/api/v1/historical/AAPL?format=csv"])
def test_a_mark_of_an_encoded_answer_is_weak_and_still_holds(url: str, path: str) -> None:
    response, _ = raw(url, path, "gzip")
    mark = response.headers["etag"]

    again, body = raw(url, path, "gzip", **{"If-None-Match": mark})

    assert mark.startswith('W/"')
    assert (again.status_code, body) == (304, b"")
    assert raw(url, path, "identity")[0].headers["etag"] == mark.removeprefix("W/")


def test_events_are_never_held_back(url: str) -> None:
    with httpx.stream("GET", f"{url}/api/v1/stream?symbols=AAPL", timeout=10) as response:
        assert "content-encoding" not in response.headers
        assert next(response.iter_lines())
