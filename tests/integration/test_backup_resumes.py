"""A restored warehouse goes on where the backup was taken, and reads nothing twice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest

from barhouse import DatabaseService
from barhouse.api import vendor_side
from barhouse.errors import BackupFailed
from barhouse.flow import jobs
from barhouse.flow.restore import restore
from barhouse.store.jobs import Kind
from tests.integration.embedded_servers import as_root, small_disk
from tests.integration.test_backup import saved, silent
from tests.servers import Server
from tests.workers import BARS, asked, through, until, wanted, worker

FETCHES = "SELECT id, symbol, records_inserted FROM enrichment_fetch_log WHERE records_fetched > 0 ORDER BY symbol, id"


@pytest.fixture
def copy(server: Server) -> Iterator[str]:
    """The URL of an empty database, which a restored one takes the place of."""
    with server.scratch() as url:
        yield url


def test_a_job_that_ran_when_the_backup_was_taken_ends_after_the_restore(
    service: DatabaseService, copy: str, tmp_path: Path
) -> None:
    with vendor_side.running() as vendors, worker(service.url, vendors):
        done = jobs.request(service, Kind.BACKFILL, wanted(service, "AAPL"), by="test")
        until(through(service, done["job_id"]))
    before = asked(service, FETCHES)
    with vendor_side.running(faults="latency seconds=2") as vendors, ExitStack() as stack:
        job = jobs.request(service, Kind.BACKFILL, wanted(service, "IBM", "MSFT"), by="test")
        first = stack.enter_context(worker(service.url, vendors))
        until(lambda: asked(service, "SELECT FROM backfill_state_persistent WHERE status = 'in_progress'"))
        path = saved(service.url, tmp_path).path
        first.kill()
        restore(path, copy, tmp_path, report=silent)
        with DatabaseService(copy) as restored, worker(copy, vendors):
            ended = until(through(restored, job["job_id"]))
            after: list[dict[str, Any]] = asked(restored, FETCHES)

    assert [row for row in after if row["symbol"] == "AAPL"] == before
    assert ended["status"] == "completed"
    assert [each["records_inserted"] for each in after] == [BARS] * 3
    assert [each["retry_count"] for each in ended["tasks"]] == [0, 0]


@as_root
def test_a_backup_that_finds_no_room_leaves_nothing_and_says_why(database_url: str, tmp_path: Path) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO enrichment_status (symbol, asset_class, status, error_message) "
            "SELECT 'S' || n, 'stock', 'error', (SELECT string_agg(md5((40 * n + k)::text), '') "
            "FROM generate_series(1, 40) AS k) FROM generate_series(1, 5000) AS n"
        )

    with small_disk(tmp_path / "disk", megabytes=1) as disk:
        with pytest.raises(BackupFailed, match="No space left on device"):
            saved(database_url, disk)

        assert list((disk / "backups").iterdir()) == []
