"""A run: what it writes down, what others see of it, and what becomes of it when its process dies."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from barhouse import DatabaseService
from barhouse.api import vendor_side
from barhouse.api.sample import sample
from barhouse.config import Settings
from barhouse.flow.backfill import Outcome
from barhouse.flow.plan import Wanted
from barhouse.flow.run import bring
from barhouse.flow.track import track
from barhouse.model import Instrument, Series, Span, Timeframe
from barhouse.sources import configured
from barhouse.sources.base import Source

NOW = datetime(2013, 3, 2, 12, tzinfo=UTC)
"""A Saturday; the packaged bars end on the Friday before."""
YEARS = Span(datetime(2012, 1, 1, tzinfo=UTC), datetime(2013, 3, 2, tzinfo=UTC))


@pytest.fixture(scope="module")
def vendors() -> Iterator[str]:
    with vendor_side.served(vendor_side.create(sample())) as url:
        yield url


@pytest.fixture
def service(database_url: str) -> Iterator[DatabaseService]:
    with DatabaseService(database_url) as service:
        yield service


def at(vendors: str) -> dict[str, Source]:
    return configured(
        Settings.model_validate(
            {"polygon_api_key": "k", "polygon_calls_per_minute": 0, "polygon_url": vendors}
            | {"yahoo_url": vendors, "binance_url": vendors}
        )
    )


def wanted(db: DatabaseService, *symbols: str) -> list[Wanted]:
    series = track(db, [Instrument(symbol) for symbol in symbols], [Timeframe.D1], YEARS.start)
    return [Wanted(each, YEARS) for each in series]


def ran(db: DatabaseService, sources: dict[str, Source], every: list[Wanted], **how: Any) -> list[Outcome]:
    async def run() -> list[Outcome]:
        try:
            return await bring(db, sources, every, now=NOW, **how)
        finally:
            for source in sources.values():
                await source.close()

    return asyncio.run(run())


def asked(db: DatabaseService, question: str, *parameters: object) -> list[dict[str, Any]]:
    with psycopg.connect(db.url, row_factory=psycopg.rows.dict_row) as connection:
        return connection.execute(question.encode(), parameters).fetchall()


@pytest.mark.every_server
def test_a_run_leaves_its_books_behind(service: DatabaseService, vendors: str) -> None:
    outcomes = ran(service, at(vendors), wanted(service, "AAPL", "MSFT"))

    bars = {str(each.series): each.inserted for each in outcomes}
    [run] = service.get_scheduler_execution_history()["executions"]
    assert (run["status"], run["total_symbols"], run["successful_symbols"], run["failed_symbols"]) == (
        "completed",
        2,
        2,
        0,
    )
    assert run["total_records_processed"] == sum(bars.values()) > 500
    assert run["completed_at"] > run["started_at"]
    for state in asked(service, "SELECT * FROM backfill_state_persistent"):
        assert (state["status"], state["lease_token"], state["error_message"]) == ("completed", None, None)
        assert state["records_inserted"] == bars[f"{state['symbol']} 1d"]
        assert state["bars_done"] == state["bars_expected"] >= state["records_inserted"]
        assert str(state["run_id"]) == run["execution_id"]
    for status in asked(service, "SELECT * FROM symbol_computation_status"):
        assert (status["status"], status["records_inserted"]) == ("completed", bars[f"{status['symbol']} 1d"])
        assert status["features_computed"] == 13
        assert status["started_at"] <= status["completed_at"]
    for computation in asked(service, "SELECT * FROM enrichment_compute_log"):
        assert (computation["success"], computation["features_computed"]) == (True, 13)
        assert computation["missing_fields"] == ["return_1h"]
        assert computation["computation_time_ms"] > 0
    for fresh in asked(service, "SELECT * FROM feature_freshness"):
        assert fresh["data_point_count"] == bars[f"{fresh['symbol']} 1d"]
        assert (fresh["status"], fresh["staleness_seconds"]) == ("fresh", 0)
    for point in asked(service, "SELECT * FROM backfill_state"):
        assert (point["status"], point["last_successful_date"], point["retry_count"]) == (
            "completed",
            YEARS.end.date(),
            0,
        )
    for state in asked(service, "SELECT * FROM enrichment_status"):
        assert (state["status"], state["records_available"]) == ("warning", bars[f"{state['symbol']} 1d"])
        # Polygon's vw and n are not packaged: 0.4 of five sevenths, and all of the rest
        assert state["quality_score"] == pytest.approx(0.4 * 5 / 7 + 0.6)
        # From Friday's close at 21:00Z on
        assert state["data_age_seconds"] == 15 * 3600
        assert state["validation_rate"] == 100
    assert [each["consecutive_failures"] for each in asked(service, "SELECT * FROM symbol_failure_tracking")] == [0, 0]
