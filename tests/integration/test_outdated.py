"""A process that is older than the schema leaves the database alone, and says what to do."""

from __future__ import annotations

import time

import psycopg
import pytest
from fastapi.testclient import TestClient

from barhouse import DatabaseService
from barhouse.api import vendor_side
from barhouse.api.app import create
from barhouse.config import Settings
from barhouse.errors import MigrationError
from barhouse.flow import jobs
from barhouse.flow.warehouse import opened, require_known
from barhouse.store.jobs import Kind
from tests.workers import asked, through, until, wanted, worker


def migrate_further(url: str) -> None:
    """What a Barhouse of next year would leave in the ledger."""
    with psycopg.connect(url) as connection:
        connection.execute("INSERT INTO schema_migration (name, checksum) VALUES ('999_moons.sql', 'x')")


def test_a_running_worker_takes_no_more_work_once_a_newer_barhouse_has_migrated(service: DatabaseService) -> None:
    with vendor_side.running() as vendors, worker(service.url, vendors):
        first = jobs.request(service, Kind.BACKFILL, wanted(service, "AAPL"), by="test")
        until(through(service, first["job_id"]))

        migrate_further(service.url)
        until(lambda: not asked(service, "SELECT FROM barhouse_queue.procrastinate_workers"))
        second = jobs.request(service, Kind.BACKFILL, wanted(service, "IBM"), by="test")
        time.sleep(2)

    assert jobs.job(service, second["job_id"])["status"] == "queued"


def test_no_process_starts_on_a_schema_that_it_does_not_know(service: DatabaseService) -> None:
    migrate_further(service.url)
    settings = Settings.model_validate({"database_url": service.url})

    for start in (lambda: opened(settings).__enter__(), lambda: require_known(service)):
        with pytest.raises(MigrationError, match=r"999_moons\.sql\. Install the version that brought them"):
            start()


def test_a_server_on_a_newer_schema_is_not_ready(service: DatabaseService) -> None:
    with TestClient(create(Settings.model_validate({"database_url": service.url})), "http://127.0.0.1:8000") as api:
        migrate_further(service.url)
        response = api.get("/ready")

    assert (response.status_code, response.headers["Retry-After"]) == (503, "5")
    assert response.json()["missing"] == ["a Barhouse that knows migration 999_moons.sql"]
