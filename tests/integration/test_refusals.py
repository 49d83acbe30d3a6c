"""A refused key, a plan that does not reach, a symbol that nobody knows: who is asked how often, what people read."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from barhouse.api import vendor_side
from barhouse.api.sample import sample
from barhouse.config import Settings
from barhouse.flow import jobs
from barhouse.flow.backfill import Outcome
from barhouse.flow.health import health_run
from barhouse.flow.plan import Wanted, plan
from barhouse.flow.run import bring
from barhouse.flow.vendors import vendors as shared
from barhouse.model import Instrument, Series, Span, Timeframe
from barhouse.store import instruments
from barhouse.store.jobs import Kind
from barhouse.store.postgres import Database
from tests.answers import kept
from tests.vendors import Reply, vendor

NOW = datetime(2026, 11, 1, tzinfo=UTC)
YEAR = Span(datetime(2010, 1, 1, tzinfo=UTC), datetime(2011, 1, 1, tzinfo=UTC))
GOOD, BAD = "the right key", "an old key"
PLAN = "Your plan doesn't include this data timeframe. Please upgrade your plan at https://polygon.io/pricing"


@pytest.fixture
def vendors() -> Iterator[str]:
    with vendor_side.served(vendor_side.create(sample(), keys=[GOOD])) as url:
        yield url


def calls(vendors: str) -> dict[str, int]:
    """How often each was asked so far, as it counts itself."""
    told: dict[str, int] = httpx.get(f"{vendors}/vendor-side/calls", trust_env=False).json()
    return told


def settings(url: str, key: str = GOOD, polygon: str | None = None) -> Settings:
    return Settings.model_validate(
        {"polygon_api_key": key, "polygon_calls_per_minute": 0, "polygon_url": polygon or url}
        | {"yahoo_url": url, "binance_url": url}
    )


def brought(
    db: Database, using: Settings, every: Sequence[Series], now: datetime = NOW, span: Span = YEAR, **how: Any
) -> list[Outcome]:
    """What another process makes of it, with sources of its own."""

    async def run() -> list[Outcome]:
        sources = shared(db, using)
        try:
            return await bring(db, sources, [Wanted(series, span) for series in every], now=now, **how)
        finally:
            for source in sources.values():
                await source.close()

    return asyncio.run(run())


def asked(db: Database, statement: str) -> list[tuple[Any, ...]]:
    with db.connection() as connection:
        return connection.execute(statement.encode()).fetchall()


INCIDENTS = "SELECT rule, cause, status, message FROM alert_incident ORDER BY id"


def test_a_refused_key_is_tried_once_by_all_processes_and_another_key_at_once(db: Database, vendors: str) -> None:
    every = [kept(db, symbol) for symbol in ("AAPL", "IBM", "MSFT")]

    first = brought(db, settings(vendors, BAD), every[:1])
    second = brought(db, settings(vendors, BAD), every[1:])

    assert calls(vendors)["polygon"] == 1
    assert [outcome.inserted for outcome in (*first, *second)] == [252, 252, 252]
    classes = "SELECT source, error_class, count(*) FROM enrichment_fetch_log GROUP BY 1, 2 ORDER BY 1"
    assert asked(db, classes) == [("polygon", "Unauthorized", 3), ("yahoo", None, 3)]
    assert "or until its key is another" in str(second[0].errors[0])
    brought(db, settings(vendors, GOOD), every[:1], refresh=True)
    assert calls(vendors)["polygon"] > 1


def test_a_refused_key_is_one_incident_at_once_and_over_when_a_call_succeeds(db: Database, vendors: str) -> None:
    every = [kept(db, symbol) for symbol in ("AAPL", "GOOG", "IBM", "MSFT")]

    brought(db, settings(vendors, BAD), every)

    [(rule, cause, status, message)] = asked(db, INCIDENTS)
    assert (rule, cause, status) == ("key_refused", "polygon", "open")
    assert "401" in message
    assert BAD not in message
    health_run(db)
    brought(db, settings(vendors, BAD), every, refresh=True)
    health_run(db)
    about_polygon = [row[:3] for row in asked(db, INCIDENTS) if row[1] == "polygon"]
    assert about_polygon == [("key_refused", "polygon", "open")]
    brought(db, settings(vendors, GOOD), every[:1], refresh=True)
    health_run(db)
    assert [row[2] for row in asked(db, INCIDENTS) if row[1] == "polygon"] == ["over"]


def test_after_a_day_a_refused_key_is_tried_again(db: Database, vendors: str) -> None:
    brought(db, settings(vendors, BAD), [kept(db, "AAPL")])
    with db.connection() as connection:
        connection.execute("UPDATE vendor_quota SET refused_until = refused_until - interval '1 day'")

    brought(db, settings(vendors, BAD), [kept(db, "IBM")])

    assert calls(vendors)["polygon"] == 2


def test_a_refused_key_is_tried_again_when_somebody_wants_all_read_anew(db: Database, vendors: str) -> None:
    aapl = kept(db, "AAPL")
    brought(db, settings(vendors, BAD), [aapl])
    closed = "SELECT count(*) FROM vendor_quota WHERE refused_until > now()"

    brought(db, settings(vendors, BAD), [aapl], refresh=True)

    assert (calls(vendors)["polygon"], asked(db, closed)) == (2, [(1,)])
    jobs.request(db, Kind.BACKFILL, [Wanted(aapl, YEAR)], by="test", refresh=True)
    assert asked(db, closed) == [(0,)]


def test_a_plan_that_does_not_reach_is_said_and_not_asked_again_for_that_span(db: Database, vendors: str) -> None:
    aapl = kept(db, "AAPL")
    refusal = Reply.json({"status": "NOT_AUTHORIZED", "message": PLAN}, 403)
    with vendor(refusal) as poor:
        [outcome] = brought(db, settings(vendors, polygon=poor.url), [aapl])
        assert poor.calls == 1
        brought(db, settings(vendors, polygon=poor.url), [aapl], NOW + timedelta(days=1))
        assert poor.calls == 1

    assert outcome.inserted == 252
    assert [str(error) for error in outcome.errors] == [f"polygon: 403 {PLAN}"]
    [(kind, words)] = asked(db, "SELECT error_class, error_details FROM enrichment_fetch_log WHERE NOT success")
    assert (kind, words) == ("NotEntitled", f"polygon: 403 {PLAN}")


def unknown(db: Database) -> Series:
    with db.transaction() as connection:
        return instruments.add_series(connection, Series(Instrument("NOSUCH"), Timeframe.D1))


def test_a_symbol_that_nobody_knows_is_asked_for_once_in_thirty_days(db: Database, vendors: str) -> None:
    series = unknown(db)
    brought(db, settings(vendors), [series])
    first = calls(vendors)
    assert first["yahoo"] == 1

    for night in range(1, 10):
        later = NOW + timedelta(days=night)
        assert brought(db, settings(vendors), [series], later, Span(YEAR.start, later)) == []

    assert calls(vendors) == first
    brought(db, settings(vendors), [series], refresh=True)
    assert calls(vendors)["yahoo"] == 2
    month = datetime.now(UTC) + timedelta(days=40)
    assert plan(db, shared(db, settings(vendors)), [Wanted(series, YEAR)], month) != []


def test_a_run_says_of_an_unknown_symbol_each_time_why_it_has_nothing(db: Database, vendors: str) -> None:
    series = unknown(db)
    errors = "SELECT error_message FROM backfill_state_persistent WHERE status = 'failed' ORDER BY created_at"

    for _ in range(2):
        brought(db, settings(vendors), [series])

    told = [row[0] for row in asked(db, errors)]
    assert len(told) == 2
    assert all(words.startswith("No source knows NOSUCH (stock): yahoo: 404") for words in told)
    assert asked(db, "SELECT consecutive_failures FROM symbol_failure_tracking") == [(2,)]


def test_a_source_that_does_not_know_a_symbol_is_left_out_while_another_has_it(db: Database, vendors: str) -> None:
    aapl = kept(db, "AAPL")
    with vendor(Reply.json({"status": "NOT_FOUND", "message": "Ticker not found."}, 404)) as ignorant:
        for night in range(4):
            later = NOW + timedelta(days=night)
            brought(db, settings(vendors, polygon=ignorant.url), [aapl], later, Span(YEAR.start, later))

        assert [request.path.split("/")[4] for request in ignorant.requests] == ["AAPL"]
