"""Calls that are no calls: paths that climb, heads and bodies without end, HTTP that means two things at once."""

from __future__ import annotations

import json
import socket
import struct

import pytest

from tests.security.up import OURS, Said, Up

STATUS, SYMBOLS = b"/api/v1/status", b"/api/v1/admin/symbols"
MANY = [f"S{number}" for number in range(100_000)]


def posted(barhouse: Up, body: bytes, *headers: bytes, path: bytes = SYMBOLS) -> Said:
    told = (b"Content-Type: application/json", *headers)
    if not any(each.startswith((b"Content-Length", b"Transfer-Encoding")) for each in headers):
        told += (b"Content-Length: %d" % len(body),)
    return barhouse.say(barhouse.head(path, *told, method=b"POST") + body)


def chunked(body: bytes, size: int = 2**16) -> bytes:
    pieces = (body[at : at + size] for at in range(0, len(body), size))
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def refused(answer: Said, *statuses: int) -> None:
    """It was refused by one of these statuses, as all errors are told."""
    assert answer.status in statuses, (answer.head, answer.body[:300])
    assert set(json.loads(answer.body)) == {"detail"}
    assert not [word for word in OURS if word in answer.body.decode()]
    assert len(answer.body) < 5_000


@pytest.mark.parametrize(
    "start", [b"/api/v1/historical/", b"/static/", b"/dashboard/", b"/compat/yahoo/v8/finance/chart/"]
)
@pytest.mark.parametrize(
    "way",
    [
        b"../../../../etc/passwd",
        b"..%2f..%2f..%2fetc%2fpasswd",
        b"%2e%2e/%2e%2e/etc/passwd",
        b"..%5c..%5cetc",
        b"/etc/passwd",
    ],
)
def test_no_path_climbs_out(barhouse: Up, start: bytes, way: bytes) -> None:
    answer = barhouse.get(start + way)

    assert answer.status == 404
    assert b"root:" not in answer.body


@pytest.mark.parametrize("path", [b"/static/style.css%00.png", b"/api/v1/status?x=%00", b"/dashboard/%00"])
def test_a_nul_is_in_no_call(barhouse: Up, path: bytes) -> None:
    refused(barhouse.get(path), 422)


@pytest.mark.parametrize("path", [b"/api/v1/historical/\xff", "/api/v1/historical/Ä".encode(), b"/api/v1/a b"])
def test_a_path_that_is_not_encoded_is_no_http(barhouse: Up, path: bytes) -> None:
    refused(barhouse.get(path), 400)


@pytest.mark.parametrize("size", [70_000, 10_000_000])
def test_an_address_has_an_end(barhouse: Up, size: int) -> None:
    refused(barhouse.get(b"/" + b"a" * size), 414)


def test_a_hundred_thousand_symbols_are_too_many_by_any_way(barhouse: Up) -> None:
    refused(barhouse.get(b"/api/v1/bars?symbols=" + ",".join(MANY).encode()), 414)
    refused(barhouse.get(b"/api/v1/bars?symbols=" + b"S," * 30_000), 422)
    refused(posted(barhouse, json.dumps({"symbols": MANY}).encode()), 422)


@pytest.mark.parametrize("headers", [[b"X-%d: 1" % number for number in range(10_000)], [b"X: " + b"a" * 10_000_000]])
def test_a_flood_of_headers_is_refused(barhouse: Up, headers: list[bytes]) -> None:
    refused(barhouse.get(STATUS, *headers), 431)


@pytest.mark.parametrize(
    "headers",
    [
        [b"Content-Length: 5", b"Transfer-Encoding: chunked"],
        [b"Content-Length: 5", b"Content-Length: 6"],
        [b"Content-Length: -5"],
        [b"Content-Length: 99999999999999999999999"],
        [b"Transfer-Encoding: chunked, identity"],
        [b"X : 1"],
    ],
)
def test_a_call_whose_end_is_in_doubt_is_no_http(barhouse: Up, headers: list[bytes]) -> None:
    refused(barhouse.get(b"/signin", *headers, method=b"POST"), 400)


@pytest.mark.parametrize(
    "words",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"a" * 100,
        b"\x00\xff" * 100 + b"\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"A" * 100_000,
    ],
    ids=["tls", "garbage", "http2", "letters"],
)
def test_what_is_no_http_is_told_so(barhouse: Up, words: bytes) -> None:
    refused(barhouse.say(words), 400)


@pytest.mark.parametrize(
    "host", [b"evil.example", b"\xff\xfe", b"", b"127.0.0.1.evil.example", b"127.0.0.1@evil.example"]
)
def test_a_call_under_a_foreign_name_is_refused(barhouse: Up, host: bytes) -> None:
    refused(barhouse.say(b"GET /api/v1/status HTTP/1.1\r\nHost: " + host + b"\r\nConnection: close\r\n\r\n"), 403)


def test_a_call_has_one_name(barhouse: Up) -> None:
    refused(barhouse.get(STATUS, b"Host: evil.example"), 400, 403)


def test_a_parameter_that_is_told_twice_counts_as_told_last(barhouse: Up) -> None:
    answer = barhouse.get(b"/api/v1/historical/AAPL?limit=1&limit=2")

    assert json.loads(answer.body)["count"] == 2


@pytest.mark.parametrize("limit", [b"0", b"-1", b"50001", b"9" * 30, b"1e3", b"NaN", b"%D9%A1"])
def test_no_limit_is_huge_or_negative(barhouse: Up, limit: bytes) -> None:
    for path in (b"/api/v1/historical/AAPL", b"/api/v1/enrichment/history", b"/api/v1/data/anomalies"):
        refused(barhouse.get(path + b"?limit=" + limit), 422)


@pytest.mark.parametrize(
    "span", [b"start=-99999-01-01", b"start=2024-01-02&end=2024-01-01", b"end=99999-01-01", b"start=1e9"]
)
def test_no_span_is_backwards_or_without_end(barhouse: Up, span: bytes) -> None:
    refused(barhouse.get(b"/api/v1/historical/AAPL?" + span), 422)


@pytest.mark.parametrize("headers", [[], [b"Transfer-Encoding: chunked"], [b"Content-Encoding: gzip"]])
def test_a_body_of_ten_megabytes_is_too_long_and_is_not_kept(barhouse: Up, headers: list[bytes]) -> None:
    body = b'{"symbols": ["' + b"A" * 10_000_000 + b'"]}'
    before = barhouse.memory

    refused(posted(barhouse, chunked(body) if b"Transfer-Encoding: chunked" in headers else body, *headers), 413)

    assert barhouse.memory - before < 30


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 500_000,
        b'{"symbols":' * 50_000 + b"1" + b"}" * 50_000,
        b'{"symbols": [' + b"9" * 100_000 + b"]}",
        b'{"symbols": ["\xff\xfe"]}',
        b'{"symbols": ["\\ud800"]}',
        b'{"symbols": ["A\\u0000"]}',
        b'{"symbols": ["AAPL"], "symbols": 7}',
        b'{"symbols": NaN}',
        b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
    ],
    ids=["arrays", "objects", "number", "no utf-8", "surrogate", "nul", "twice", "nan", "xml"],
)
def test_a_body_that_means_nothing_is_refused(barhouse: Up, body: bytes) -> None:
    refused(posted(barhouse, body), 400, 422)


@pytest.mark.parametrize(
    "body",
    [b"zz\r\n", b"1;" + b"a" * 20_000_000, b"1\r\na\r\n0\r\nX: 1\r\n\r\n", b"1\r\na\r\n0\r\nX: " + b"a" * 20_000_000],
    ids=["no length", "endless extension", "trailer", "endless trailer"],
)
def test_chunks_hold_a_body_and_nothing_else(barhouse: Up, body: bytes) -> None:
    before = barhouse.memory

    refused(posted(barhouse, body, b"Transfer-Encoding: chunked"), 400, 408)

    assert barhouse.memory - before < 60


def test_calls_that_come_all_at_once_are_answered_one_by_one(barhouse: Up) -> None:
    many = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 500

    answer = barhouse.say(many + barhouse.head(b"/health"))

    assert answer.body.count(b'{"status":"ok"}') == 501


def test_one_who_leaves_before_the_answers_to_all_that_was_asked_is_no_failure(barhouse: Up) -> None:
    asked = b"GET /api/v1/historical/AAPL?start=2020-01-01&limit=50000 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    for _ in range(20):
        with barhouse.connected() as wire:
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            wire.sendall(asked * 5)
            wire.recv(1)

    assert barhouse.get(STATUS).status == 200
    assert "request_failed" not in barhouse.written()


def test_another_site_reads_nothing_and_changes_nothing(barhouse: Up) -> None:
    origin = b"Origin: https://evil.example"

    asked = barhouse.get(STATUS, origin)
    before = barhouse.get(STATUS, origin, b"Access-Control-Request-Method: POST", method=b"OPTIONS")

    assert "access-control" not in (asked.head + before.head).lower()
    for path in (b"/api/v1/enrichment/pause", b"/api/v1/enrichment/trigger", b"/api/v1/data/duplicates/cleanup"):
        refused(barhouse.get(path, origin, b"Content-Length: 0", method=b"POST"), 403)
        refused(barhouse.get(path, b"Sec-Fetch-Site: cross-site", b"Content-Length: 0", method=b"POST"), 403)


def test_the_log_is_quiet_and_tells_nobodys_words(barhouse: Up) -> None:
    secret = b"bh_0a1b2c3d_" + b"s" * 43

    barhouse.get(
        b"/api/v1/historical/%1b%5b31mRED%0d%0a?key=" + secret, b"X-API-Key: " + secret, b"Cookie: a=" + secret
    )

    written = barhouse.written()
    assert secret.decode() not in written
    assert [each for each in written if not each.isprintable() and each != "\n"] == []
    assert "request_failed" not in written
    assert "Traceback" not in written
