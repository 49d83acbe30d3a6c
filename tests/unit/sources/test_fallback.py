"""Who is asked next, and what is known of a span afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta

import orjson
import polars as pl
import pytest

from barhouse.calendar import Calendar
from barhouse.errors import CannotServe
from barhouse.model import Series, Span, Timeframe
from barhouse.resilience.manager import guards
from barhouse.sources import fallback
from barhouse.sources.fallback import Attempt
from barhouse.sources.polygon import Polygon
from tests.contract.market import NOW, SPAN, STOCK, calendar
from tests.contract.protocols import KEY, POLYGON, QUICK
from tests.vendors import HTML, Reply, Request, Script, Vendor, vendor

DAILY = Series(STOCK, Timeframe.D1)
HALF = SPAN.start + timedelta(days=7)


class Near(Polygon):
    """A source that reaches back one week only."""

    def reach(self, series: Series, span: Span, now: datetime) -> Span | None:  # noqa: ARG002
        """The part of the second week."""
        return span.common(Span(HALF, now))


def source(url: str, kind: type[Polygon] = Polygon) -> Polygon:
    """A source at the host `url`, of any name."""
    made = kind(url, KEY, timeout=20, guard=guards("polygon", QUICK), clock=lambda: NOW)
    made.name = kind.__name__.lower() + url[-5:]
    return made


def fetch(
    *scripts: Script | Reply,
    near: bool = False,
    span: Span = SPAN,
    times: int = 1,
    now: datetime = NOW,
    kinds: Sequence[type[Polygon]] = (),
) -> tuple[list[Attempt], list[Vendor]]:
    """The last attempts, of as many sources as there are scripts, and their hosts; the first may be a near one."""

    async def run(hosts: list[Vendor], open_days: Calendar) -> list[Attempt]:
        those = kinds or [Near if near and not at else Polygon for at in range(len(hosts))]
        sources = [source(host.url, kind) for host, kind in zip(hosts, those, strict=True)]
        try:
            for _ in range(times):
                attempts = await fallback.fetch(DAILY, span, open_days, sources, now)
        finally:
            for each in sources:
                await each.close()
        return attempts

    with ExitStack() as stack:
        hosts = [stack.enter_context(vendor(script)) for script in scripts]
        return asyncio.run(run(hosts, calendar(STOCK))), hosts


def test_a_source_that_gives_the_bars_is_the_only_one_asked() -> None:
    attempts, (_, second) = fetch(POLYGON.honest, POLYGON.honest)

    assert [(attempt.state, attempt.span) for attempt in attempts] == [("fetched", SPAN)]
    assert second.calls == 0


@pytest.mark.parametrize(
    ("fault", "state"),
    [
        *((Reply.json({"error": "no"}, status), "refused") for status in (400, 403, 422)),
        *((Reply.json({"error": "no"}, status), "failed") for status in (401, 429, 500)),
        (Reply(HTML), "failed"),
        (Reply(b"xxxx", reset=True), "failed"),
    ],
)
def test_what_a_source_fails_to_give_the_next_one_gives(fault: Reply, state: str) -> None:
    attempts, _ = fetch(fault, POLYGON.honest)

    assert [attempt.state for attempt in attempts] == [state, "fetched"]
    assert attempts[1].span == SPAN


def test_what_a_source_does_not_know_the_next_one_gives() -> None:
    attempts, _ = fetch(Reply.json({"error": "no such ticker"}, 404), POLYGON.honest)

    assert [attempt.state for attempt in attempts] == ["unknown", "fetched"]


def test_empty_where_bars_are_due_is_asked_elsewhere() -> None:
    attempts, _ = fetch(Reply(POLYGON.empty), POLYGON.honest)

    assert [attempt.state for attempt in attempts] == ["empty", "fetched"]


def test_empty_where_none_are_due_is_the_answer() -> None:
    weekend = Span(SPAN.start + timedelta(days=5), SPAN.start + timedelta(days=7))

    attempts, (_, second) = fetch(Reply(POLYGON.empty), POLYGON.honest, span=weekend)

    assert [attempt.state for attempt in attempts] == ["empty"]
    assert second.calls == 0


def test_a_day_that_is_not_over_is_not_due() -> None:
    morning = SPAN.start + timedelta(hours=15)

    attempts, _ = fetch(Reply(POLYGON.empty), POLYGON.honest, now=morning)

    assert [(attempt.state, attempt.span) for attempt in attempts] == [("empty", Span(SPAN.start, morning))]


def test_unread_stays_unread_when_nobody_can_help() -> None:
    attempts, _ = fetch(Reply(b"", 500), Reply(HTML))

    assert [attempt.state for attempt in attempts] == ["failed", "failed"]
    assert all(attempt.fetched is None and attempt.error for attempt in attempts)


def test_beyond_the_reach_of_one_the_next_is_asked_for_that_part_alone() -> None:
    attempts, _ = fetch(POLYGON.honest, POLYGON.honest, near=True)

    early, late = Span(SPAN.start, HALF), Span(HALF, SPAN.end)
    assert [(attempt.state, attempt.span) for attempt in attempts] == [
        ("unreachable", early),
        ("fetched", late),
        ("fetched", early),
    ]
    assert isinstance(attempts[0].error, CannotServe)
    bars = pl.concat(attempt.fetched.bars for attempt in attempts if attempt.fetched)
    assert bars["time"].sort().dt.day().to_list() == [4, 5, 6, 7, 8, 11, 12, 13, 14, 15]


def test_a_refused_key_is_not_tried_again() -> None:
    attempts, (first, second) = fetch(Reply.json({"error": "Unknown API Key"}, 401), POLYGON.honest, times=3)

    assert [attempt.state for attempt in attempts] == ["failed", "fetched"]
    assert (first.calls, second.calls) == (1, 3)


def test_what_lies_ahead_is_not_asked_for() -> None:
    ahead = Span(NOW + timedelta(days=1), NOW + timedelta(days=2))

    assert fetch(POLYGON.honest, span=ahead)[0] == []


class Weekly(Polygon):
    """A source that answers for one week at a time."""

    def pieces(self, series: Series, span: Span) -> list[Span]:  # noqa: ARG002
        """Weeks."""
        weeks = [Span(SPAN.start, HALF), Span(HALF, SPAN.end)]
        return [part for week in weeks if (part := week.common(span))]


def test_the_next_source_is_asked_for_as_much_as_it_can_answer_at_a_time() -> None:
    attempts, hosts = fetch(POLYGON.honest, kinds=[Weekly])

    assert [attempt.span for attempt in attempts] == [Span(SPAN.start, HALF), Span(HALF, SPAN.end)]
    assert [attempt.state for attempt in attempts] == ["fetched", "fetched"]
    assert hosts[0].calls == 2


def test_what_follows_an_answer_that_broke_off_is_asked_elsewhere() -> None:
    def broken_off(request: Request) -> Reply:
        if "cursor" in request.query:
            return Reply.json({"status": "OK", "resultsCount": 0})
        told = orjson.loads(POLYGON.honest(request).body)
        url = f"http://{request.headers['host']}/v2/aggs/ticker/AAPL/next?cursor=1"
        return Reply.json({**told, "results": told["results"][:3], "next_url": url})

    attempts, _ = fetch(broken_off, POLYGON.honest)

    read = Span(SPAN.start, SPAN.start + timedelta(days=3))
    rest = Span(read.end, SPAN.end)
    assert [(attempt.state, attempt.span) for attempt in attempts] == [
        ("fetched", read),
        ("empty", rest),
        ("fetched", rest),
    ]
