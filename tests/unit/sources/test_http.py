"""The one client: what it asks again, what it never tells, and what it turns failures into."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TypeVar

import orjson
import pytest

from barhouse.errors import (
    CircuitOpen,
    NotEntitled,
    RateLimited,
    RequestRefused,
    SourceError,
    SourceUnavailable,
    Unauthorized,
    UnknownAtSource,
    UnreadableAnswer,
)
from barhouse.resilience.manager import Measures, guards
from barhouse.resilience.pace import Pace
from barhouse.resilience.retry import Retry
from barhouse.sources.http import Http, complaint, seconds
from tests.vendors import HTML, Reply, vendor

T = TypeVar("T")
KEY = "s3cr3t-k3y-of-ours"
QUICK = Retry(wait_initial=0.001, wait_jitter=0.001, window=0.01)


def client(url: str, retry: Retry = QUICK, timeout: float = 0.3, pace: Pace | None = None) -> Http:
    """A client of the host at `url` with a key and hardly any patience."""
    headers = {"authorization": f"Bearer {KEY}"}
    guard = guards("polygon", retry)
    return Http("polygon", url, headers=headers, timeout=timeout, guard=guard, pace=pace, secrets=frozenset({KEY}))


def asked(http: Http, question: Callable[[Http], Awaitable[T]]) -> T:
    """What `question` gives, in an event loop of its own."""

    async def run() -> T:
        try:
            return await question(http)
        finally:
            await http.close()

    return asyncio.run(run())


def read(content: bytes) -> object:
    """A parser that knows nothing but JSON."""
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise UnreadableAnswer("polygon", "no JSON") from error


FAULTS = {
    "cut": (Reply(b'{"results": [1, 2, 3]}', cut=9), SourceUnavailable, 5),
    "reset": (Reply(b"x" * 100_000, reset=True), SourceUnavailable, 5),
    "stall": (Reply(b'{"a": 1}', stall=2), SourceUnavailable, 5),
    "500": (Reply.json({"error": f"no {KEY}"}, 500), SourceUnavailable, 5),
    "504": (Reply.json({"msg": "Timeout"}, 504), SourceUnavailable, 5),
    "html": (Reply(HTML), UnreadableAnswer, 5),
    "cut json": (Reply(b'{"results": [{"t": 1, '), UnreadableAnswer, 5),
    "no gzip": (Reply(b"{}", headers={"content-encoding": "gzip"}), UnreadableAnswer, 5),
    "429": (Reply.json({"error": f"slow, {KEY}"}, 429), RateLimited, 5),
    "418": (Reply.json({"msg": "banned"}, 418, {"retry-after": "0"}), RateLimited, 5),
    "401": (Reply.json({"error": f"Unknown API Key {KEY}"}, 401), Unauthorized, 1),
    "403": (Reply(HTML, 403), NotEntitled, 1),
    "404": (Reply.json({"chart": {"error": {"description": "no"}}}, 404), UnknownAtSource, 1),
    "422": (Reply.json({"error": "too far"}, 422), RequestRefused, 1),
    "moved": (Reply(b"", 302, {"location": "http://127.0.0.1:1/"}), RequestRefused, 1),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_has_its_error_and_its_patience_and_tells_no_key(fault: str) -> None:
    reply, error, calls = FAULTS[fault]

    with vendor(reply) as host, pytest.raises(error) as raised:
        asked(client(host.url), lambda http: http.read("/bars", read))

    told = "".join(traceback.format_exception(raised.value)) + repr(raised.value.__cause__)
    assert KEY not in told
    assert host.calls == calls


def test_nobody_listening_is_a_source_that_is_away() -> None:
    with pytest.raises(SourceUnavailable):
        asked(client("http://127.0.0.1:1"), lambda http: http.get("/bars"))


def test_a_vendor_that_recovers_gives_its_answer_and_the_number_of_calls() -> None:
    replies = [Reply(b"", 500), Reply(HTML), Reply(b"12345", cut=2), Reply.json({"a": 1})]

    with vendor(replies) as host:
        body, answer = asked(client(host.url), lambda http: http.read("/bars", read, {"limit": 5}))

    assert body == {"a": 1}
    assert answer.calls == host.calls == 4
    assert host.requests[-1].query == {"limit": "5"}


def test_the_key_goes_in_a_header_and_not_in_the_address() -> None:
    with vendor(Reply()) as host:
        asked(client(host.url), lambda http: http.get("/bars"))

    assert host.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert KEY not in host.requests[0].target


@pytest.mark.parametrize("status", [429, 418, 503])
def test_retry_after_is_obeyed(status: int) -> None:
    began = time.monotonic()

    with vendor([Reply(b"", status, {"retry-after": "0.3"}), Reply()]) as host:
        asked(client(host.url), lambda http: http.get("/bars"))

    assert 0.3 <= time.monotonic() - began < 2
    assert host.calls == 2


def test_a_long_retry_after_is_not_slept_and_closes_the_source() -> None:
    async def twice(http: Http) -> float | None:
        with pytest.raises(RateLimited):
            await http.get("/bars")
        with pytest.raises(RateLimited) as again:
            await http.get("/bars")
        return again.value.retry_after

    with vendor(Reply(b"", 418, {"retry-after": "1200"})) as host:
        wait = asked(client(host.url), twice)

    assert wait == 1200
    assert host.calls == 1


def test_a_refused_key_closes_the_source() -> None:
    async def twice(http: Http) -> None:
        for _ in range(2):
            with pytest.raises(Unauthorized):
                await http.get("/bars")

    with vendor(Reply.json({"error": "Unknown API Key"}, 401)) as host:
        asked(client(host.url), twice)

    assert host.calls == 1


def test_a_429_without_retry_after_waits_for_the_window() -> None:
    began = time.monotonic()

    with vendor([Reply(b"", 429), Reply()]) as host:
        asked(client(host.url, Retry(window=0.3)), lambda http: http.get("/bars"))

    assert 0.3 <= time.monotonic() - began < 2


@pytest.mark.parametrize(
    "url",
    ["http://evil.example/next", "https://127.0.0.1/next", "http://127.0.0.1:9/next", "http://[::1/next"],
)
def test_a_next_page_elsewhere_is_not_asked(url: str) -> None:
    with vendor(Reply()) as host, pytest.raises(UnreadableAnswer):
        asked(client(host.url), lambda http: http.get(url))

    assert host.calls == 0


def test_a_next_page_without_a_scheme_stays_with_the_vendor() -> None:
    with vendor(Reply()) as host:
        asked(client(host.url), lambda http: http.get("//evil.example/next"))

    assert host.calls == 1


def test_a_vendor_may_read_its_own_meaning_into_a_status() -> None:
    with vendor(Reply.json({"code": -1121, "msg": "Invalid symbol."}, 400)) as host:
        http = Http("binance", host.url, refusal=lambda _: UnknownAtSource)
        with pytest.raises(UnknownAtSource, match=r"binance: 400 Invalid symbol\."):
            asked(http, lambda http: http.get("/klines"))


def test_an_error_of_ours_is_not_hidden_as_one_of_the_vendor() -> None:
    def broken(content: bytes) -> None:
        raise ZeroDivisionError

    with vendor(Reply()) as host, pytest.raises(ZeroDivisionError):
        asked(client(host.url), lambda http: http.read("/bars", broken))

    assert host.calls == 1


def test_calls_keep_the_pace_of_the_plan() -> None:
    async def three(http: Http) -> float:
        began = time.monotonic()
        await asyncio.gather(*(http.get("/bars") for _ in range(3)))
        return time.monotonic() - began

    with vendor(Reply()) as host:
        took = asked(client(host.url, pace=Pace(2, window=0.4)), three)

    assert took >= 0.4


def test_an_hour_of_waiting_is_told_in_seconds_or_as_a_date() -> None:
    now = datetime(2026, 1, 5, 12, tzinfo=UTC)

    assert seconds("3600", now) == 3600
    assert seconds("Mon, 05 Jan 2026 13:00:00 GMT", now) == 3600
    assert seconds("Mon, 05 Jan 2026 11:00:00 GMT", now) == 0
    assert seconds("soon", now) is None
    assert seconds(None, now) is None


def test_a_complaint_is_in_the_vendors_words_and_never_a_page() -> None:
    assert complaint(b'{"finance": {"error": {"code": 1, "description": "no crumb"}}}') == "no crumb"
    assert complaint(b"Too Many Requests\r\n") == "Too Many Requests"
    assert complaint(HTML) == ""
    assert complaint(b"[1, 2]") == ""


def test_a_source_error_says_who_and_what() -> None:
    with vendor(Reply.json({"error": "Unknown API Key"}, 401)) as host, pytest.raises(SourceError) as raised:
        asked(client(host.url), lambda http: http.get("/bars"))

    assert str(raised.value) == "polygon: 401 Unknown API Key"
    assert raised.value.source == "polygon"


def test_a_vendor_that_keeps_failing_is_left_alone() -> None:
    async def twice(http: Http) -> None:
        with pytest.raises(SourceUnavailable):
            await http.get("/bars")
        with pytest.raises(CircuitOpen, match="Circuit breaker 'polygon' is OPEN"):
            await http.get("/bars")

    with vendor(Reply(b"", 500)) as host:
        asked(client(host.url), twice)

    assert host.calls == 5


def test_unreadable_answers_open_the_circuit_and_refusals_do_not() -> None:
    async def often(http: Http) -> None:
        for _ in range(10):
            with pytest.raises(NotEntitled):
                await http.read("/refused", read)
        with pytest.raises(UnreadableAnswer):
            await http.read("/page", read)
        with pytest.raises(CircuitOpen):
            await http.read("/refused", read)

    with vendor(lambda request: Reply(HTML, 403 if request.path == "/refused" else 200)) as host:
        asked(client(host.url), often)

    assert host.calls == 15


def test_calls_and_those_that_were_too_many_are_counted() -> None:
    async def counted(http: Http) -> tuple[int, int]:
        await http.get("/bars")
        return http.total_requests, http.rate_limited_count

    with vendor([Reply(b"", 429), Reply(b"", 429, {"retry-after": "0"}), Reply(b"", 500), Reply()]) as host:
        assert asked(client(host.url), counted) == (4, 2)


def test_no_more_calls_are_under_way_than_the_vendor_has_places() -> None:
    async def many(http: Http) -> float:
        began = time.monotonic()
        await asyncio.gather(*(http.get("/bars") for _ in range(6)))
        return time.monotonic() - began

    with vendor(Reply(b"{}", stall=0.1)) as host:
        guard = guards("polygon", measures=Measures(at_once=2))
        assert asked(Http("polygon", host.url, guard=guard), many) >= 0.3


def test_a_date_to_come_back_is_read_by_the_clock_of_the_vendor() -> None:
    told = {"date": "Mon, 05 Jan 2026 12:00:00 GMT", "retry-after": "Mon, 05 Jan 2026 12:10:00 GMT"}

    with vendor(Reply(b"", 429, told)) as host:
        http = Http("polygon", host.url, guard=guards("polygon", Retry(1)))
        with pytest.raises(RateLimited) as refused:
            asyncio.run(http.get("/bars"))

    assert refused.value.retry_after == 600.0
