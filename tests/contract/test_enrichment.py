"""What scripts rely on when they ask how enrichment fares: the real app over a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from barhouse import DatabaseService
from barhouse.errors import UnknownRecord
from barhouse.flow import books, enrichment, jobs, sessions
from barhouse.flow.batch import Batch
from barhouse.flow.ingest import keep
from barhouse.flow.plan import Wanted
from barhouse.flow.track import track
from barhouse.model import AssetClass, Instrument, Series, Span, Timeframe
from barhouse.store import schedules
from barhouse.store.enrichment import Status
from barhouse.store.jobs import Kind
from tests.answers import answer, kept, real
from tests.contract.test_api import client

HERE = "/api/v1/enrichment"
BOARD = f"{HERE}/dashboard"
FRIDAY = datetime(2013, 3, 1, 21, 15, tzinfo=UTC)
"""When the last packaged bar was due: a quarter of an hour after its close."""
DAY = timedelta(days=1)
SPAN = Span(datetime(2012, 1, 1, tzinfo=UTC), datetime(2013, 3, 2, tzinfo=UTC))


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


def changed(service: DatabaseService, statement: str) -> None:
    with service.connection() as connection:
        connection.execute(statement.encode())


def held(service: DatabaseService) -> Series:
    """AAPL with its real daily bars until Friday, of which 0.1 of the score is not known to be there."""
    series = kept(service, "AAPL")
    keep(service, Batch([answer(series, real("AAPL"))], sessions.calendar(service, "XNYS")))
    changed(service, "UPDATE bar SET quality_score = 0.95")
    books.settle(service, [series.instrument], FRIDAY)
    return series


def requested(service: DatabaseService, *symbols: str, kind: Kind = Kind.ENRICHMENT) -> str:
    series = track(service, [Instrument(symbol) for symbol in symbols], [Timeframe.D1], SPAN.start)
    job: str = jobs.request(service, kind, [Wanted(each, SPAN) for each in series], by="test")["job_id"]
    return job


def test_a_symbol_that_nobody_tracks_is_not_enriched(api: TestClient) -> None:
    assert asked(api, f"{HERE}/status/NOPE") == {
        "symbol": "NOPE",
        "asset_class": "stock",
        "status": "not_enriched",
        "last_enrichment_time": None,
        "data_age_seconds": None,
        "records_available": 0,
        "quality_score": None,
        "validation_rate": None,
        "timeframes_available": [],
        "next_enrichment": None,
        "error_message": None,
    }
    assert asked(api, f"{HERE}/status/NOPE", asset_class="crypto")["asset_class"] == "crypto"
    assert api.get(f"{HERE}/status/NOPE", params={"asset_class": "bond"}).status_code == 400


def test_a_symbol_is_judged_by_the_time_of_its_market(service: DatabaseService) -> None:
    held(service)

    def stands(days: float) -> str:
        return str(enrichment.status(service, "aapl", now=FRIDAY + days * DAY)["status"])

    # Monday's bar is due at 21:15Z on Monday: the weekend makes nobody ill
    assert [stands(0), stands(3), stands(3.99)] == ["healthy"] * 3
    assert [stands(4), stands(6)] == ["warning"] * 2
    assert stands(6.01) == "stale"
    told = enrichment.status(service, "AAPL", now=FRIDAY + 3 * DAY)
    assert told["data_age_seconds"] == 3 * 86400 + 900
    assert (told["records_available"], told["timeframes_available"]) == (real("AAPL").height, ["1d"])
    assert told["quality_score"] == pytest.approx(0.95)


@pytest.mark.parametrize(
    ("error", "bars", "overdue", "score", "status"),
    [
        ("no answer", 0, 9e9, 0.1, "error"),
        (None, 0, 9e9, 0.1, "not_enriched"),
        (None, 1, 3 * 86400 + 1, 1.0, "stale"),
        (None, 1, 0, 0.8499, "stale"),
        (None, 1, 3 * 86400, 1.0, "warning"),
        (None, 1, 86400, 1.0, "warning"),
        (None, 1, 0, 0.9, "warning"),
        (None, 1, 86399, 0.9001, "healthy"),
    ],
)
def test_the_first_that_is_true_is_told(
    error: str | None, bars: int, overdue: float, score: float, status: str
) -> None:
    assert Status.of(error, bars, overdue, score) == status


def test_the_last_run_of_each_tracked_series_says_whether_it_failed(service: DatabaseService, api: TestClient) -> None:
    held(service)
    track(service, [Instrument("AAPL")], [Timeframe.D1], SPAN.start)
    failed = service.create_backfill_state("AAPL", "stock", "1h", "in_progress")
    service.update_backfill_state(failed, "failed", error_message="no answer")
    untracked = asked(api, f"{HERE}/status/AAPL")
    track(service, [Instrument("AAPL")], [Timeframe.H1], SPAN.start)
    tracked = asked(api, f"{HERE}/status/AAPL")
    service.update_backfill_state(service.create_backfill_state("AAPL", "stock", "1h"), "completed")
    again = asked(api, f"{HERE}/status/AAPL")

    assert (untracked["status"], untracked["error_message"]) == ("stale", None)
    assert (tracked["status"], tracked["error_message"]) == ("error", "no answer")
    assert (again["status"], again["error_message"]) == ("stale", None)


def test_an_ambiguous_symbol_has_to_be_named_by_its_class(service: DatabaseService, api: TestClient) -> None:
    track(service, [Instrument("BTC", AssetClass.CRYPTO), Instrument("BTC", AssetClass.ETF)], [Timeframe.D1], FRIDAY)

    for path in (f"{HERE}/status/BTC", f"{BOARD}/job-status/BTC"):
        assert api.get(path).status_code == 409
        assert asked(api, path, asset_class="etf")["asset_class"] == "etf"


def test_an_empty_warehouse_has_no_rates_to_tell(api: TestClient) -> None:
    told = asked(api, f"{HERE}/metrics")

    assert told == {
        "fetch_pipeline": {
            "total_fetches": 0,
            "successful": 0,
            "success_rate": 0.0,
            "avg_response_time_ms": None,
            "api_quota_remaining": None,
        },
        "compute_pipeline": {
            "total_computations": 0,
            "successful": 0,
            "success_rate": 0.0,
            "avg_computation_time_ms": None,
        },
        "data_quality": {"symbols_tracked": 0, "avg_validation_rate": None, "avg_quality_score": None},
        "backfill_progress": {"in_progress": 0, "completed": 0, "failed": 0, "pending": 0},
    }
    assert asked(api, f"{BOARD}/metrics") == {name: told[name] for name in told if name != "backfill_progress"}


LOGS = """
INSERT INTO enrichment_fetch_log (symbol, asset_class, timeframe, source, success, source_response_time_ms,
                                  api_quota_remaining, created_at)
VALUES ('A', 'stock', '1d', 'binance', true, 100, 900, now() - interval '25 h'),
       ('A', 'stock', '1d', 'polygon', true, 10, NULL, now() - interval '23 h'),
       ('A', 'stock', '1d', 'polygon', true, 20, NULL, now()),
       ('A', 'stock', '1d', 'polygon', false, NULL, NULL, now());
INSERT INTO enrichment_compute_log (symbol, asset_class, timeframe, success, computation_time_ms, created_at)
VALUES ('A', 'stock', '1d', false, 900, now() - interval '25 h'),
       ('A', 'stock', '1d', true, 4, now()), ('A', 'stock', '1d', true, 8, now());
INSERT INTO data_quality_metrics (symbol, asset_class, metric_date, total_records, validated_records, validation_rate,
                                  avg_quality_score)
VALUES ('A', 'stock', (now() AT TIME ZONE 'UTC')::date - 7, 100, 0, 0, 0),
       ('A', 'stock', (now() AT TIME ZONE 'UTC')::date - 6, 180, 177, 98.33, 0.9),
       ('A', 'stock', (now() AT TIME ZONE 'UTC')::date, 20, 20, 100, 1.0);
"""


def test_the_pipelines_are_told_of_a_day_and_the_quality_of_a_week(service: DatabaseService, api: TestClient) -> None:
    changed(service, LOGS)
    track(service, [Instrument("A"), Instrument("B")], [Timeframe.D1, Timeframe.H1], FRIDAY)

    told = asked(api, f"{HERE}/metrics")

    assert told["fetch_pipeline"] == {
        "total_fetches": 3,
        "successful": 2,
        "success_rate": 66.67,
        "avg_response_time_ms": 15.0,
        "api_quota_remaining": 900,
    }
    assert told["compute_pipeline"] == {
        "total_computations": 2,
        "successful": 2,
        "success_rate": 100.0,
        "avg_computation_time_ms": 6.0,
    }
    # (177 + 20) of 200; 180 times 0.9 and 20 times 1.0, of 200
    assert told["data_quality"] == {"symbols_tracked": 2, "avg_validation_rate": 98.5, "avg_quality_score": 0.91}


def test_the_progress_counts_each_series_once_by_its_latest_execution(
    service: DatabaseService, api: TestClient
) -> None:
    for status in ("failed", "completed"):
        service.update_backfill_state(service.create_backfill_state("A"), status)
    service.update_backfill_state(service.create_backfill_state("B"), "in_progress")
    service.create_backfill_state("B", "stock", "1h")
    service.update_backfill_state(service.create_backfill_state("C"), "failed")

    assert asked(api, f"{HERE}/metrics")["backfill_progress"] == {
        "in_progress": 1,
        "completed": 1,
        "failed": 1,
        "pending": 1,
    }


def test_the_job_of_a_symbol_is_told_as_its_series_fare(service: DatabaseService, api: TestClient) -> None:
    before = asked(api, f"{BOARD}/job-status/AAPL")
    requested(service, "AAPL", "IBM")
    waiting = asked(api, f"{BOARD}/job-status/AAPL")
    changed(service, "UPDATE backfill_state_persistent SET status = 'in_progress', started_at = now()")
    running = asked(api, f"{BOARD}/job-status/AAPL")
    changed(
        service, "UPDATE backfill_state_persistent SET status = 'pending', retry_count = 1, error_message = 'reset'"
    )
    again = asked(api, f"{BOARD}/job-status/AAPL")
    # Between two tries its worker keeps it, with what went wrong
    changed(service, "UPDATE backfill_state_persistent SET status = 'in_progress'")
    kept = asked(api, f"{BOARD}/job-status/AAPL")
    changed(service, "UPDATE backfill_state_persistent SET error_message = NULL")
    taken_over = asked(api, f"{BOARD}/job-status/AAPL")
    changed(
        service,
        "UPDATE backfill_state_persistent SET status = 'failed', error_message = 'reset', completed_at = now() "
        "WHERE symbol = 'IBM'",
    )
    changed(service, "UPDATE backfill_state_persistent SET status = 'completed' WHERE symbol = 'AAPL'")

    assert before == {
        "symbol": "AAPL",
        "asset_class": "stock",
        "status": "not_found",
        "retry_count": 0,
        "last_error": None,
        "started_at": None,
        "completed_at": None,
    }
    assert [each["status"] for each in (waiting, running, again)] == ["pending", "in_progress", "retry"]
    assert [each["status"] for each in (kept, taken_over)] == ["retry", "in_progress"]
    assert running["started_at"].endswith("Z")
    assert (again["retry_count"], again["last_error"]) == (1, "reset")
    assert asked(api, f"{BOARD}/job-status/AAPL")["status"] == "completed"
    failed = asked(api, f"{BOARD}/job-status/IBM")
    assert (failed["status"], failed["last_error"]) == ("failed", "reset")
    assert failed["completed_at"] is not None


def test_the_history_counts_symbols_and_knows_enrichments_only(service: DatabaseService, api: TestClient) -> None:
    requested(service, "MSFT", kind=Kind.BACKFILL)
    job = requested(service, "AAPL", "IBM")
    changed(
        service,
        "UPDATE backfill_state_persistent SET status = 'completed', started_at = '2026-11-02 02:00Z', "
        "completed_at = '2026-11-02 02:01:30Z', records_inserted = 7, records_updated = 2, retry_count = 1",
    )
    changed(service, "UPDATE backfill_state_persistent SET status = 'failed' WHERE symbol = 'IBM'")

    told = asked(api, f"{HERE}/history")

    assert told["count"] == 1
    assert told["jobs"] == [
        {
            "job_id": job,
            "started_at": "2026-11-02T02:00:00Z",
            "completed_at": "2026-11-02T02:01:30Z",
            "duration_seconds": 90.0,
            "status": "failed",
            "successful": 1,
            "failed": 1,
            "retried": 2,
            "total_records_inserted": 14,
            "total_records_updated": 4,
        }
    ]
    assert enrichment.history_item(service, job)["total_records_updated"] == 4
    for limit in (0, 101):
        assert api.get(f"{HERE}/history", params={"limit": limit}).status_code == 422


def test_the_overview_shows_what_waits_and_what_failed_first(service: DatabaseService, api: TestClient) -> None:
    assert asked(api, f"{BOARD}/overview")["last_job"] is None
    requested(service, *(f"S{number:02}" for number in range(30)))
    changed(service, "UPDATE backfill_state_persistent SET status = 'in_progress' WHERE symbol < 'S03'")
    changed(
        service,
        "UPDATE backfill_state_persistent SET status = 'failed', error_message = 'no answer' WHERE symbol = 'S02'",
    )
    changed(service, "UPDATE backfill_state_persistent SET status = 'completed' WHERE symbol = 'S03'")

    told = asked(api, f"{BOARD}/overview")

    waiting = [each["symbol"] for each in told["job_queue"]]
    assert waiting == [f"S{number:02}" for number in range(4, 24)]
    assert [(each["symbol"], each["status"], each["last_error"]) for each in told["processing_symbols"]] == [
        ("S02", "failed", "no answer"),
        ("S00", "in_progress", None),
        ("S01", "in_progress", None),
    ]
    assert told["last_job"] is None
    changed(service, "UPDATE backfill_state_persistent SET status = 'completed' WHERE symbol <> 'S02'")
    told = asked(api, f"{BOARD}/overview")
    assert (told["last_job"]["successful"], told["last_job"]["failed"]) == (29, 1)
    assert told["metrics"] == {
        name: value for name, value in asked(api, f"{BOARD}/metrics").items() if name != "timestamp"
    }


LEADER = """
INSERT INTO scheduler_leader (owner, backend, since, heartbeat_at, settings) VALUES ('here', 1, now(), now(), '{}')
"""


def test_health_follows_the_scheduler_the_pause_and_the_last_job(service: DatabaseService, api: TestClient) -> None:
    away = asked(api, f"{BOARD}/health")
    changed(service, LEADER)
    fine = asked(api, f"{BOARD}/health")
    api.post(f"{HERE}/pause")
    paused = asked(api, f"{BOARD}/health")
    api.post(f"{HERE}/resume")
    requested(service, "AAPL")
    changed(service, "UPDATE backfill_state_persistent SET status = 'failed', completed_at = now()")
    failed = asked(api, f"{BOARD}/health")
    changed(service, "UPDATE scheduler_leader SET heartbeat_at = now() - interval '1 min'")
    gone = asked(api, f"{BOARD}/health")

    assert (away["health_status"], away["issues"]) == ("critical", ["No scheduler runs; `barhouse up` starts one"])
    assert (fine["health_status"], fine["scheduler_running"], fine["issues"]) == ("healthy", True, [])
    assert (paused["health_status"], paused["config"]["paused"]) == ("warning", True)
    assert " by api:anyone; " in paused["issues"][0]
    assert (failed["health_status"], failed["failed_symbols"]) == ("warning", 1)
    assert failed["last_enrichment_time"].endswith("Z")
    assert (gone["health_status"], gone["scheduler_running"]) == ("critical", False)


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_pause_lasts_until_it_is_ended(service: DatabaseService, api: TestClient, method: str) -> None:
    first = api.request(method, f"{HERE}/pause").json()
    second = api.request(method, f"{HERE}/pause").json()
    with client(service.url) as another, service.connection() as connection:
        stands = schedules.standing(connection)
        resumed = another.request(method, f"{HERE}/resume").json()

    assert (first["status"], second["status"], second["message"]) == ("paused", "paused", "It was paused already")
    assert [each.name for each in stands.schedules if each.paused_at] == ["enrichment", "critical", "large"]
    assert set(resumed) == {"timestamp", "status", "message"}
    assert resumed["status"] == "resumed"
    assert api.request(method, f"{HERE}/resume").json()["message"] == "It was not paused"


@pytest.mark.parametrize("path", ["pause", "resume"])
@pytest.mark.parametrize("method", ["POST", "GET"])
def test_no_page_of_another_site_can_pause(api: TestClient, path: str, method: str) -> None:
    for header in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://elsewhere.example"}):
        assert api.request(method, f"{HERE}/{path}", headers=header).status_code == 403
    assert api.request(method, f"{HERE}/{path}").status_code == 200


@pytest.mark.parametrize("job", ["0c9b8a7e-5d3f-4b21-9a6c-1e2d3f4a5b6c", "nonsense"])
def test_an_unknown_job_has_no_history_and_no_events(service: DatabaseService, api: TestClient, job: str) -> None:
    for path in (f"{HERE}/jobs/{job}/events", f"/api/v1/backfill/status/{job}/events"):
        assert api.get(path).status_code == 404
    with pytest.raises(UnknownRecord, match="No job has the id"):
        enrichment.history_item(service, job)
