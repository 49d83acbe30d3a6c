"""What scripts rely on when they ask how the schedulers fare: the real app over a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from barhouse import DatabaseService
from barhouse.errors import AmbiguousSymbol, InvalidParameter, InvalidTimeframe
from barhouse.flow import freshness, sessions
from barhouse.flow.batch import Batch
from barhouse.flow.ingest import keep
from barhouse.flow.track import track
from barhouse.model import AssetClass, Instrument, Timeframe
from tests.answers import answer, kept, real
from tests.contract.test_api import client

HEALTH = "/api/v1/admin/scheduler-health"
STALENESS = "/api/v1/admin/features/staleness"
HISTORY = "/api/v1/admin/scheduler/execution-history"
SECOND = timedelta(seconds=1)
FRIDAY = datetime(2013, 3, 1, 21, 15, tzinfo=UTC)
"""When the last packaged bar was due: a quarter of an hour after its close."""


@pytest.fixture
def api(database_url: str) -> Iterator[TestClient]:
    with client(database_url) as api:
        yield api


def asked(api: TestClient, path: str, **parameters: Any) -> Any:
    response = api.get(path, params=parameters)
    assert response.status_code == 200, response.text
    told = response.json()
    assert told.pop("timestamp").endswith("Z")
    return told


def test_an_empty_warehouse_is_healthy_and_has_nothing_to_tell(api: TestClient) -> None:
    assert asked(api, HEALTH) == {
        "status": "healthy",
        "last_execution": None,
        "stale_features_count": 0,
        "recent_failures": [],
        "total_symbols_monitored": 0,
    }
    assert asked(api, STALENESS) == {
        "summary": {"fresh_count": 0, "aging_count": 0, "stale_count": 0, "missing_count": 0, "total_monitored": 0},
        "by_status": {"fresh": [], "aging": [], "stale": [], "missing": []},
    }
    assert asked(api, HISTORY) == {"executions": []}


def test_health_follows_the_runs(service: DatabaseService, api: TestClient) -> None:
    began = datetime(2026, 11, 2, 2, tzinfo=UTC)
    first = service.create_scheduler_execution_log(began, 4)
    running = asked(api, HEALTH)
    service.update_scheduler_execution_log(first, began + 90 * SECOND, 0, 4, 0, "failed", "no vendor answered")
    failed = asked(api, HEALTH)
    service.create_scheduler_execution_log(began + timedelta(days=1), 4)
    again = asked(api, HEALTH)

    assert running["status"] == "healthy"
    assert running["last_execution"] == {
        "execution_id": first,
        "started_at": "2026-11-02T02:00:00Z",
        "completed_at": None,
        "status": "running",
        "successful_symbols": 0,
        "failed_symbols": 0,
    }
    assert (failed["status"], failed["last_execution"]["completed_at"]) == ("degraded", "2026-11-02T02:01:30Z")
    # The last one that has ended is still the failed one
    assert (again["status"], again["last_execution"]["status"]) == ("degraded", "running")


def test_the_ten_latest_failures_of_a_day_are_told_newest_first(service: DatabaseService, api: TestClient) -> None:
    for number in range(12):
        service.log_feature_computation_failure("AAPL", "1d", f"failure {number}")
    service.log_feature_computation_failure("MSFT", "1h", "long ago")
    with service.connection() as connection:
        connection.execute(
            "UPDATE feature_computation_failures SET failed_at = now() - interval '24 h' WHERE symbol = 'MSFT'"
        )

    failures = asked(api, HEALTH)["recent_failures"]

    assert [each["error"] for each in failures] == [f"failure {number}" for number in range(11, 1, -1)]
    assert failures[0].keys() == {"symbol", "timeframe", "error", "failed_at"}


@pytest.mark.parametrize(
    ("count", "seconds", "status"),
    [
        (5, 0, "fresh"),
        (5, 3600, "fresh"),
        (5, 3600.5, "aging"),
        (5, 86400, "aging"),
        (5, 86401, "stale"),
        (0, 0, "missing"),
    ],
)
def test_freshness_is_told_by_its_seconds(
    service: DatabaseService, api: TestClient, count: int, seconds: float, status: str
) -> None:
    computed = datetime.now(UTC)
    assert service.update_feature_freshness("AAPL", "1d", computed, count, seconds)

    told = asked(api, STALENESS)

    assert told["summary"] == {
        **{f"{each}_count": int(each == status) for each in ("fresh", "aging", "stale", "missing")},
        "total_monitored": 1,
    }
    [series] = told["by_status"][status]
    assert (series["symbol"], series["asset_class"], series["timeframe"]) == ("AAPL", "stock", "1d")
    assert (series["staleness_seconds"], series["data_point_count"], series["status"]) == (seconds, count, status)
    health = asked(api, HEALTH)
    assert (health["status"], health["stale_features_count"]) == (
        ("degraded", 1) if status == "stale" else ("healthy", 0)
    )
    assert health["total_symbols_monitored"] == 1


def test_the_worst_come_first_and_the_limit_is_over_all_lists(service: DatabaseService, api: TestClient) -> None:
    now = datetime.now(UTC)
    track(service, [Instrument("NEW")], [Timeframe.D1], now)
    for symbol, seconds in {"A": 10, "B": 5000, "C": 90000, "D": 200000}.items():
        service.update_feature_freshness(symbol, "1d", now, 5, seconds)

    told = asked(api, STALENESS, limit=3)

    assert {status: [each["symbol"] for each in rows] for status, rows in told["by_status"].items()} == {
        "missing": ["NEW"],
        "stale": ["D", "C"],
        "aging": [],
        "fresh": [],
    }
    assert told["summary"]["total_monitored"] == 5
    assert told["by_status"]["missing"][0]["last_computed_at"] is None


@pytest.mark.every_server
def test_features_age_in_market_time_from_when_a_bar_was_due(service: DatabaseService) -> None:
    series = kept(service, "AAPL")
    keep(service, Batch([answer(series, real("AAPL"))], sessions.calendar(service, "XNYS")))

    def staleness(now: datetime) -> tuple[str, float]:
        report = service.get_feature_staleness_report(now=now)
        [row] = [row for rows in report["by_status"].values() for row in rows]
        assert row["data_point_count"] == real("AAPL").height
        return row["status"], row["staleness_seconds"]

    # Monday's bar is due at 21:15Z; no weekend counts
    assert staleness(FRIDAY) == ("fresh", 0)
    assert staleness(FRIDAY + timedelta(days=3)) == ("fresh", 0)
    assert staleness(FRIDAY + timedelta(days=3, hours=2)) == ("aging", 7200)
    assert staleness(FRIDAY + timedelta(days=5)) == ("stale", 2 * 86400)
    # From Monday 21:15Z over four more sessions until Saturday 05:00Z, where New York's Friday ends
    assert staleness(FRIDAY + timedelta(days=9)) == ("stale", 4 * 86400 + 7.75 * 3600)
    freshness.settle(service, [series.instrument.number], FRIDAY + timedelta(days=3, hours=2))
    with service.connection() as connection:
        assert connection.execute("SELECT status, staleness_seconds FROM feature_freshness").fetchall() == [
            ("aging", 7200)
        ]


def test_what_is_no_freshness_is_refused(service: DatabaseService, api: TestClient) -> None:
    with pytest.raises(InvalidTimeframe):
        service.update_feature_freshness("AAPL", "2h", datetime.now(UTC), 1, 0)
    with pytest.raises(InvalidParameter):
        service.update_feature_freshness("AAPL", "1d", datetime.now(UTC), 1, -1)
    track(service, [Instrument("BTC", AssetClass.CRYPTO), Instrument("BTC", AssetClass.ETF)], [Timeframe.D1], FRIDAY)
    with pytest.raises(AmbiguousSymbol):
        service.update_feature_freshness("BTC", "1d", datetime.now(UTC), 1, 0)
    assert service.update_feature_freshness("BTC", "1d", datetime.now(UTC), 1, 0, asset_class="etf")
    for path, limits in {STALENESS: (0, 501), HISTORY: (0, 101)}.items():
        for limit in limits:
            assert api.get(path, params={"limit": limit}).status_code == 422
    with pytest.raises(InvalidParameter):
        service.get_feature_staleness_report(501)


def test_the_runs_are_served_as_the_method_tells_them(service: DatabaseService, api: TestClient) -> None:
    began = datetime(2026, 11, 2, 2, tzinfo=UTC)
    for day in range(3):
        run = service.create_scheduler_execution_log(began + timedelta(days=day), 3)
        service.update_scheduler_execution_log(run, began + timedelta(days=day, minutes=2), 2, 1, 9, "completed")

    told = asked(api, HISTORY, limit=1)["executions"]

    assert told == [
        {
            "execution_id": run,
            "started_at": "2026-11-04T02:00:00Z",
            "completed_at": "2026-11-04T02:02:00Z",
            "duration_seconds": 120.0,
            "total_symbols": 3,
            "successful_symbols": 2,
            "failed_symbols": 1,
            "total_records_processed": 9,
            "status": "completed",
            "error_message": None,
            "success_rate": 66.7,
        }
    ]
    assert len(asked(api, HISTORY)["executions"]) == 3
