"""The schedulers as scripts use them: real threads, a real PostgreSQL, the vendor side over HTTP."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from barhouse import DatabaseService
from barhouse.api import vendor_side
from barhouse.config import settings
from barhouse.flow import scheduling
from barhouse.flow.track import track
from barhouse.model import AssetClass, Instrument, Timeframe
from barhouse.scheduler import (
    AutoBackfillScheduler,
    EnrichmentScheduler,
    get_last_backfill_result,
    get_last_backfill_time,
)
from barhouse.scheduler import backfill as module
from barhouse.store.schedules import Name
from tests.workers import until

SINCE = datetime(2012, 1, 1, tzinfo=UTC)


@pytest.fixture
def vendors(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The vendor side, and the environment of a script that uses it."""
    with vendor_side.running() as url:
        for name in ("POLYGON", "YAHOO", "BINANCE"):
            monkeypatch.setenv(f"BARHOUSE_{name}_URL", url)
        monkeypatch.setenv("BARHOUSE_POLYGON_CALLS_PER_MINUTE", "0")
        monkeypatch.setenv("BARHOUSE_STAGGER_SECONDS", "0")
        monkeypatch.setenv("DATABASE_URL", database_url)
        monkeypatch.setenv("health_enabled", "false")
        settings.cache_clear()
        yield url
    settings.cache_clear()


def test_the_constructors_are_those_that_scripts_know() -> None:
    backfill = inspect.signature(AutoBackfillScheduler).parameters
    enrichment = inspect.signature(EnrichmentScheduler).parameters

    assert {name: each.default for name, each in backfill.items() if each.default is not inspect.Parameter.empty} == {
        "symbols": None,
        "schedule_hour": 2,
        "schedule_minute": 0,
        "enrichment_enabled": False,
        "enrichment_hour": 1,
        "enrichment_minute": 30,
        "parallel_backfill": True,
        "max_concurrent_symbols": 3,
    }
    assert list(backfill)[:2] == ["polygon_api_key", "database_url"]
    assert list(enrichment)[:2] == ["db_service", "config"]
    assert [each.default for each in enrichment.values()][2:] == [1, 30, 5, 3, True]


def test_a_daily_backfill_is_done_without_another_worker_and_is_remembered(
    service: DatabaseService, vendors: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    track(service, [Instrument("AAPL"), Instrument("NOPE")], [Timeframe.D1], SINCE)
    scheduler = AutoBackfillScheduler("k", service.url, enrichment_enabled=True)
    assert (get_last_backfill_result(), get_last_backfill_time()) == (None, None)
    scheduler.start()
    try:
        until(lambda: scheduling.standing(service).named(Name.BACKFILL))
        # The night comes early: the leader finds that 02:00 has passed
        with service.connection() as connection:
            connection.execute("UPDATE schedule SET next_fire_at = now() WHERE name = 'backfill'")
        until(lambda: (told := scheduling.standing(service).named(Name.ENRICHMENT)) and told.job_status == "failed")
    finally:
        scheduler.stop()
    monkeypatch.setattr(module, "_latest", None)

    told = get_last_backfill_result()
    assert told and {name: told[name] for name in ("success", "failed", "symbols_processed")} == {
        "success": 1,
        "failed": 1,
        "symbols_processed": 2,
    }
    assert told["total_records"] > 250
    assert get_last_backfill_time() == told["timestamp"]
    # What followed the backfill to its end has read nothing again
    with service.connection() as connection:
        fetched = connection.execute("SELECT count(*) FROM enrichment_fetch_log WHERE symbol = 'AAPL'").fetchone()
    assert fetched == (1,)
    client = scheduler.polygon_client
    assert client.total_requests > 0
    assert client.rate_limited_count == 0


def test_symbols_come_from_the_database_and_health_is_told(service: DatabaseService, vendors: str) -> None:
    track(service, [Instrument("AAPL")], [Timeframe.D1, Timeframe.H1], SINCE)
    track(service, [Instrument("BTC", AssetClass.CRYPTO, "24/7")], [Timeframe.D1], SINCE)
    scheduler = AutoBackfillScheduler("k", service.url)

    symbols = asyncio.run(scheduler._load_symbols_from_db())
    told = asyncio.run(scheduler._health_monitoring_job())

    assert sorted((symbol, kind, sorted(frames)) for symbol, kind, frames in symbols) == [
        ("AAPL", "stock", ["1d", "1h"]),
        ("BTC", "crypto", ["1d"]),
    ]
    assert set(told) == {"timestamp", "stale_symbols", "failed_symbols", "anomalies_detected", "alerts_triggered"}
    scheduler.stop()


def test_enrichment_on_demand_returns_when_done_though_scheduled_runs_are_paused(
    service: DatabaseService, vendors: str
) -> None:
    track(service, [Instrument("AAPL")], [Timeframe.D1], SINCE)
    scheduler = EnrichmentScheduler(service, settings())

    scheduler.pause()
    told = asyncio.run(scheduler.trigger_enrichment_now(["AAPL"]))
    status = asyncio.run(scheduler.get_scheduler_status())
    paused = scheduling.is_paused(scheduling.standing(service))
    scheduler.resume()

    assert (told["status"], told["successful"], told["processing_symbols"], told["errors"]) == (
        "completed",
        1,
        ["AAPL"],
        [],
    )
    assert set(status) == {
        "running",
        "scheduler_running",
        "last_enrichment_time",
        "last_enrichment_result",
        "config",
    }
    assert status["last_enrichment_result"]["job_id"] == told["job_id"]
    assert paused
    assert not scheduling.is_paused(scheduling.standing(service))
    assert asyncio.run(scheduler.get_job_status("AAPL"))["status"] == "completed"
    assert asyncio.run(scheduler.get_enrichment_metrics())["fetch_pipeline"]["total_fetches"] > 0


def test_how_many_are_fetched_at_once_may_be_changed_while_it_runs(service: DatabaseService, vendors: str) -> None:
    scheduler = EnrichmentScheduler(service, {}, max_concurrent_symbols=2)
    scheduler.start()
    try:
        scheduler.max_concurrent_symbols = 7
        assert scheduler.max_concurrent_symbols == 7
    finally:
        scheduler.stop()
