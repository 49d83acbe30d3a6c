"""What scripts rely on when they ask for jobs: the real app and a real worker over a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient

from barhouse import DatabaseService
from barhouse.api import vendor_side
from barhouse.flow.track import track
from barhouse.model import Instrument, Timeframe
from tests.contract.test_api import client
from tests.workers import BARS, YEARS, asked, until, worker

TRIGGER = "/api/v1/enrichment/trigger"


@pytest.fixture
def api(database_url: str) -> Iterator[TestClient]:
    with client(database_url) as api:
        yield api


def test_a_trigger_of_one_symbol_answers_before_the_work(service: DatabaseService, api: TestClient) -> None:
    track(service, [Instrument("AAPL")], [Timeframe.D1], datetime(2026, 1, 1, tzinfo=UTC))

    response = api.post(TRIGGER, params={"symbol": "AAPL"})

    told = response.json()
    assert response.status_code == 200
    assert set(told) == {
        *("job_id", "symbol", "asset_class", "timeframes", "status"),
        *("total_records_to_process", "estimated_duration_seconds", "timestamp"),
    }
    assert (told["symbol"], told["asset_class"], told["timeframes"]) == ("AAPL", "stock", ["1d"])
    assert (told["status"], told["estimated_duration_seconds"]) == ("queued", None)
    assert told["total_records_to_process"] > 200
    [task] = api.get(f"/api/v1/enrichment/jobs/{told['job_id']}").json()["tasks"]
    assert (task["symbol"], task["status"]) == ("AAPL", "queued")


def test_a_second_trigger_gets_the_running_job_and_a_wider_one_shares_its_series(
    service: DatabaseService, api: TestClient
) -> None:
    track(service, [Instrument("AAPL"), Instrument("IBM")], [Timeframe.D1, Timeframe.W1], YEARS.start)

    first = api.post(TRIGGER, params={"symbols": ["AAPL", "IBM"]}).json()
    again = api.post(TRIGGER, params={"symbol": "IBM"}).json()
    wider = api.post(TRIGGER, params={"symbols": ["IBM", "MSFT"]}).json()

    assert (first["symbols"], first["timeframes"]) == (["AAPL", "IBM"], ["1d", "1w"])
    assert again["job_id"] == first["job_id"]
    assert wider["job_id"] != first["job_id"]
    rows = asked(service, "SELECT symbol FROM backfill_state_persistent ORDER BY 1")
    assert [row["symbol"] for row in rows] == ["AAPL", "AAPL", "IBM", "IBM", "MSFT"]
    assert asked(service, "SELECT count(*) FROM barhouse_queue.procrastinate_jobs") == [{"count": 5}]


@pytest.mark.parametrize(
    ("query", "status", "word"),
    [
        ({"timeframes": ["2h", "3d"]}, 400, "Invalid timeframes: ['2h', '3d']"),
        ({"timeframes": ["1m"]}, 400, "Invalid timeframes: ['1m']"),
        ({"asset_class": "bond"}, 400, "Invalid asset class: 'bond'"),
        ({"symbol": "A B"}, 422, "is no symbol"),
        ({}, 404, "Nothing of that is tracked"),
    ],
)
def test_what_cannot_be_triggered_is_said(
    api: TestClient, query: dict[str, str | list[str]], status: int, word: str
) -> None:
    response = api.post(TRIGGER, params=query)

    assert (response.status_code, word in response.json()["detail"]) == (status, True)


@pytest.mark.parametrize("job", [uuid4(), "nonsense"])
def test_an_unknown_job_is_404(api: TestClient, job: object) -> None:
    assert api.get(f"/api/v1/enrichment/jobs/{job}").status_code == 404
    assert api.get(f"/api/v1/backfill/status/{job}").status_code == 404


def test_a_backfill_and_an_unknown_symbol_end_as_they_should(service: DatabaseService, api: TestClient) -> None:
    span = {"start": "2012-01-01", "end": "2013-03-02"}

    good = api.post("/api/v1/backfill", params={"symbols": "AAPL", **span}).json()
    bad = api.post(TRIGGER, params={"symbol": "NOPE"}).json()
    with vendor_side.running() as vendors, worker(service.url, vendors):
        ended = {each["job_id"]: until(_ended(api, each["job_id"])) for each in (good, bad)}

    assert ended[good["job_id"]]["status"] == "completed"
    assert ended[good["job_id"]]["records_inserted"] == good["total_records_to_process"] == BARS
    assert ended[bad["job_id"]]["status"] == "failed"
    assert ended[bad["job_id"]]["tasks"][0]["error_message"].startswith("No source knows NOPE (stock): yahoo: 404")
    assert [each["job_id"] for each in api.get("/api/v1/backfill/recent").json()["jobs"]] == [good["job_id"]]


def _ended(api: TestClient, job: str) -> Callable[[], dict[str, object] | None]:
    def look() -> dict[str, object] | None:
        told: dict[str, object] = api.get(f"/api/v1/backfill/status/{job}").json()
        return told if told["status"] in ("completed", "failed") else None

    return look


def test_another_span_of_a_series_under_way_is_a_conflict(service: DatabaseService, api: TestClient) -> None:
    api.post("/api/v1/backfill", params={"symbols": "AAPL", "start": "2012-06-01", "end": "2012-07-01"})
    asked(service, "UPDATE backfill_state_persistent SET status = 'in_progress' RETURNING id")

    wider = api.post("/api/v1/backfill", params={"symbols": "AAPL", "start": "2012-01-01", "end": "2012-07-01"})
    within = api.post("/api/v1/backfill", params={"symbols": "AAPL", "start": "2012-06-05", "end": "2012-06-20"})

    assert (wider.status_code, within.status_code) == (409, 200)
