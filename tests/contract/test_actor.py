"""Whose name stands beside what was changed over HTTP: the key's that called, and the author's whom it names."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from barhouse.flow import quality, scheduling
from barhouse.flow.sweep import sweep
from barhouse.store.anomalies import Wanted
from barhouse.store.postgres import Database
from barhouse.store.schedules import Name
from tests.contract.test_access import bearing, client, made
from tests.integration.test_sweep import IN_TIME, stored, week

ANOMALIES = "/api/v1/data/anomalies"


@pytest.fixture
def api(db: Database) -> Iterator[TestClient]:
    with client(db.url) as api:
        yield api


def gap(db: Database) -> int:
    """The number of a gap in AAPL."""
    sweep(db, [stored(db, "AAPL", week(4, 7))], IN_TIME)
    [found] = quality.listed_anomalies(db, Wanted())
    return int(found["id"])


@pytest.mark.parametrize(
    ("told", "noted"),
    [({}, "desk"), ({"author": "ann"}, "ann (desk)"), ({"author": "desk"}, "desk")],
)
def test_a_decision_bears_the_name_of_the_key(db: Database, api: TestClient, told: dict[str, str], noted: str) -> None:
    number, key = gap(db), made(db, "desk", "operate")

    seen = api.post(f"{ANOMALIES}/{number}/acknowledge", json=told, headers=bearing(key))

    assert seen.json()["acknowledged_by"] == noted


def test_without_a_key_a_decision_needs_an_author(db: Database, api: TestClient) -> None:
    number = gap(db)

    refused = api.post(f"{ANOMALIES}/{number}/acknowledge", json={})
    seen = api.post(f"{ANOMALIES}/{number}/acknowledge", json={"author": "ann"})

    assert (refused.status_code, refused.json()["detail"]) == (422, "author: say who decides, or call with a key")
    assert seen.json()["acknowledged_by"] == "ann"


def test_jobs_and_pauses_bear_the_name_of_the_key(db: Database, api: TestClient) -> None:
    headers = bearing(made(db, "desk", "operate"))

    asked = api.post("/api/v1/enrichment/trigger", params={"symbol": "AAPL"}, headers=headers).json()
    api.post("/api/v1/enrichment/pause", headers=headers)

    job = api.get(f"/api/v1/enrichment/jobs/{asked['job_id']}", headers=headers).json()
    paused = scheduling.standing(db).named(Name.ENRICHMENT)
    assert paused is not None
    assert (job["requested_by"], paused.paused_by) == ("api:desk", "api:desk")
