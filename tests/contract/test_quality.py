"""What scripts rely on when they ask how good the data are: the real app over a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest
from fastapi.testclient import TestClient

from barhouse.flow.sweep import sweep
from barhouse.store.postgres import Database
from tests.contract.test_api import client
from tests.integration.test_sweep import IN_TIME, stored, week

QUALITY = "/api/v1/data/quality/AAPL"
ANOMALIES = "/api/v1/data/anomalies"


@pytest.fixture
def url(db: Database) -> str:
    return db.url


@pytest.fixture
def api(url: str) -> Iterator[TestClient]:
    with client(url) as api:
        yield api


def asked(api: TestClient, path: str, **parameters: Any) -> Any:
    response = api.get(path, params=parameters)
    assert response.status_code == 200, response.text
    return response.json()


def day(db: Database, when: date, *figures: float | None) -> None:
    """A day of AAPL: total, validated, rate, gaps, anomalies, score, completeness."""
    with db.connection() as connection:
        connection.execute(
            "INSERT INTO data_quality_metrics (symbol, asset_class, metric_date, total_records, validated_records,"
            " validation_rate, gaps_detected, anomalies_detected, avg_quality_score, data_completeness)"
            " VALUES ('AAPL', 'stock', %s, %s, %s, %s, %s, %s, %s, %s)",
            [when, *figures],
        )


def test_the_days_of_a_symbol_are_told_newest_first_and_their_means_are_weighted(db: Database, api: TestClient) -> None:
    stored(db, "AAPL", week(4))
    today = datetime.now(UTC).date()
    day(db, today, 180, 177, 98.33, 1, 2, 0.95, 0.99)
    day(db, today - timedelta(days=2), 20, 20, 100.0, 0, 1, 0.75, 1.0)
    day(db, today - timedelta(days=6), 0, 0, None, 3, 3, None, 0.0)
    day(db, today - timedelta(days=7), 1000, 0, 0.0, 9, 9, 0.1, 0.1)

    told = asked(api, QUALITY)

    assert (told["symbol"], told["asset_class"], told["period_days"]) == ("AAPL", "stock", 7)
    # 197 of 200; (180 · 0.95 + 20 · 0.75) / 200
    assert told["summary"] == {
        "avg_validation_rate": 98.5,
        "avg_quality_score": 0.93,
        "total_gaps_detected": 4,
        "total_anomalies": 6,
    }
    assert told["daily_metrics"][0] == {
        "date": today.isoformat(),
        "total_records": 180,
        "validated_records": 177,
        "validation_rate": 98.33,
        "gaps_detected": 1,
        "anomalies_detected": 2,
        "avg_quality_score": 0.95,
        "data_completeness": 0.99,
    }
    assert [each["total_records"] for each in told["daily_metrics"]] == [180, 20, 0]
    assert [each["total_records"] for each in asked(api, QUALITY, days=8)["daily_metrics"]] == [180, 20, 0, 1000]
    assert [each["total_records"] for each in asked(api, QUALITY, days=1)["daily_metrics"]] == [180]
    assert told["timestamp"].endswith("Z")


def test_the_latest_fetches_are_told(db: Database, api: TestClient) -> None:
    for _ in range(21):
        stored(db, "AAPL", week(4, 5))

    logs = asked(api, QUALITY)["recent_fetch_logs"]

    assert len(logs) == 20
    newest = logs[0]
    assert newest.pop("timestamp").endswith("Z")
    assert newest == {
        "source": "polygon",
        "timeframe": "1d",
        "records_fetched": 2,
        "records_inserted": 0,
        "response_time_ms": 0.0,
        "success": True,
        "error_class": None,
        "quality_score": None,
        "compared_with": None,
        "compared_score": None,
    }


def test_no_days_are_an_honest_answer_and_an_unknown_symbol_is_none(db: Database, api: TestClient) -> None:
    stored(db, "AAPL", week(4))

    nothing = {"avg_validation_rate": None, "avg_quality_score": None, "total_gaps_detected": 0, "total_anomalies": 0}
    assert asked(api, QUALITY)["summary"] == nothing
    assert asked(api, QUALITY)["daily_metrics"] == []
    assert api.get("/api/v1/data/quality/NONE").status_code == 404


@pytest.mark.parametrize("days", ["0", "366", "x"])
def test_days_are_1_to_365(api: TestClient, days: str) -> None:
    assert api.get(QUALITY, params={"days": days}).status_code == 422


def test_anomalies_are_told_with_their_evidence(db: Database, api: TestClient) -> None:
    sweep(db, [stored(db, "AAPL", week(4, 7)), stored(db, "MSFT", week(4, 6, 8))], IN_TIME)

    told = asked(api, ANOMALIES, symbol="AAPL")

    [gap] = told["data"]
    assert (told["count"], told["next_cursor"]) == (1, None)
    assert (gap["anomaly_type"], gap["severity"], gap["resolution_status"]) == ("gap", "high", "open")
    assert gap["data_point_time"] == "2024-03-05T00:00:00Z"
    assert gap["evidence"] == {
        "first": "2024-03-05T00:00:00Z",
        "last": "2024-03-06T00:00:00Z",
        "before": "2024-03-04T00:00:00Z",
        "after": "2024-03-07T00:00:00Z",
        "missing_bars": 2,
        "reason": "missing",
    }
    assert asked(api, ANOMALIES, severity="critical")["data"] == []
    assert asked(api, ANOMALIES, status="open", type="gap", timeframe="1d")["count"] == 3


def test_anomalies_come_by_the_page(db: Database, api: TestClient) -> None:
    sweep(db, [stored(db, "MSFT", week(4, 6, 8))], IN_TIME)

    first = asked(api, ANOMALIES, limit=1)
    second = asked(api, ANOMALIES, limit=1, cursor=first["next_cursor"])
    third = asked(api, ANOMALIES, limit=1, cursor=second["next_cursor"])

    assert first["data"][0]["id"] > second["data"][0]["id"]
    assert (third["count"], third["next_cursor"]) == (0, None)
    assert api.get(ANOMALIES, params={"cursor": "x"}).status_code == 422
    assert api.get(ANOMALIES, params={"symbol": "NONE"}).status_code == 404


def test_who_has_seen_an_anomaly_is_noted(db: Database, api: TestClient) -> None:
    sweep(db, [stored(db, "AAPL", week(4, 7))], IN_TIME)
    number = asked(api, ANOMALIES)["data"][0]["id"]

    seen = api.post(f"{ANOMALIES}/{number}/acknowledge", json={"author": "ann"})

    assert seen.status_code == 200
    assert (seen.json()["resolution_status"], seen.json()["acknowledged_by"]) == ("acknowledged", "ann")
    assert api.post(f"{ANOMALIES}/{number + 1}/acknowledge", json={"author": "ann"}).status_code == 404
    assert api.post(f"{ANOMALIES}/{number}/acknowledge", json={"author": " "}).status_code == 422
    assert api.post(f"{ANOMALIES}/{number}/acknowledge", json={}).status_code == 422
    foreign = {"origin": "https://elsewhere.example"}
    assert api.post(f"{ANOMALIES}/{number}/acknowledge", json={"author": "x"}, headers=foreign).status_code == 403


def test_a_symbol_that_is_several_instruments_needs_its_class(url: str, api: TestClient) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(
            "INSERT INTO instrument (symbol, asset_class, exchange)"
            " VALUES ('BTC', 'crypto', '24/7'), ('BTC', 'etf', 'XNYS')"
        )

    assert api.get("/api/v1/data/quality/BTC").status_code == 409
    assert asked(api, "/api/v1/data/quality/BTC", asset_class="etf")["asset_class"] == "etf"
    assert api.get("/api/v1/data/quality/BTC", params={"asset_class": "bond"}).status_code == 400
