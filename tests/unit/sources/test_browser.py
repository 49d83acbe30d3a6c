"""The transport that looks like a browser, on a real socket."""

from __future__ import annotations

import asyncio

import pytest

from barhouse.errors import SourceUnavailable
from barhouse.resilience.manager import guards
from barhouse.resilience.retry import Retry
from barhouse.sources.browser import Browser
from barhouse.sources.http import Answer, Http
from tests.vendors import Reply, vendor

ONCE = Retry(attempts=1)


async def asked(http: Http) -> Answer:
    try:
        return await http.get("/v8/finance/chart/AAPL", {"interval": "1d"})
    finally:
        await http.close()


def test_the_vendor_sees_a_browser_and_not_us() -> None:
    with vendor(Reply(b'{"chart": 1}')) as yahoo:
        answer = asyncio.run(asked(Http("yahoo", yahoo.url, guard=guards("yahoo", ONCE), transport=Browser())))

    assert answer.content == b'{"chart": 1}'
    assert "Chrome" in yahoo.requests[0].headers["user-agent"]
    assert yahoo.requests[0].query == {"interval": "1d"}


def test_it_works_again_in_another_event_loop() -> None:
    with vendor(Reply(b"[]")) as yahoo:
        http = Http("yahoo", yahoo.url, guard=guards("yahoo", ONCE), transport=Browser())
        answers = [asyncio.run(asked(http)) for _ in range(2)]

    assert [answer.status for answer in answers] == [200, 200]


@pytest.mark.parametrize(
    "reply", [Reply(b"[1, 2, 3]", cut=2), Reply(b"[1, 2, 3]", reset=True), Reply(b"[]", stall=1.0)]
)
def test_a_broken_answer_is_the_vendor_being_away(reply: Reply) -> None:
    with vendor(reply) as yahoo, pytest.raises(SourceUnavailable):
        asyncio.run(asked(Http("yahoo", yahoo.url, timeout=0.3, guard=guards("yahoo", ONCE), transport=Browser())))


def test_nobody_there_is_the_vendor_being_away() -> None:
    with pytest.raises(SourceUnavailable):
        asyncio.run(asked(Http("yahoo", "https://127.0.0.1:1", guard=guards("yahoo", ONCE), transport=Browser())))


def test_a_transport_that_was_never_used_can_be_closed() -> None:
    asyncio.run(Browser().aclose())
