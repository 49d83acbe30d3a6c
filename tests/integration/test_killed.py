"""Decisions that are killed in their midst: all is as before, and asking again ends them."""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest

from barhouse.database import DatabaseService
from barhouse.flow.imports import take
from barhouse.flow.sweep import sweep
from barhouse.model import Instrument, Series, Timeframe
from barhouse.store.postgres import Database
from tests.integration.doubled import asked, written
from tests.integration.test_sweep import IN_TIME, NOW, stored, week

CORRECT = "correct(db, 'AAPL', '2024-03-05', {'close': 10.2}, reason='typo', author='ann')"
DECISIONS = {
    "correct": (f"from barhouse.flow.correct import correct; {CORRECT}", "data_corrections"),
    "clean": ("db.cleanup_duplicate_records()", "duplicate_records_log"),
    "undo": ("db.undo_cleanup(1)", "duplicate_records_log"),
    "release": (
        "from barhouse.flow.quarantine import release; release(db, [1], reason='sure', author='ann')",
        "quarantine",
    ),
    "sweep": ("db.detect_data_anomalies(check_staleness=False)", "data_quality_metrics"),
}
"""What is done, and the table before whose writing it is killed."""

TABLES = (
    "bar",
    "series",
    "bar_stay",
    "data_corrections",
    "duplicate_records_log",
    "quarantine",
    "data_anomalies",
    "data_quality_metrics",
)


@pytest.fixture
def faulty(database_url: str, tmp_path: Path) -> Any:
    """A week with a row turned away, a slot that holds two bars, and one that was cleaned."""
    with DatabaseService(database_url) as service:
        stored(service, "AAPL", week(4, 5, 6, 7, 8))
        file = tmp_path / "MSFT.csv"
        file.write_text("time,open,high,low,close,volume\n2024-03-04,10,9,9,10,100\n2024-03-05,10,11,9,10,100\n")
        take(service, file, Series(Instrument("MSFT"), Timeframe.D1), zone="UTC", now=NOW)
        written(service, ("2024-03-06 05:00Z", 401, False, None))
        service.cleanup_duplicate_records()
        written(service, ("2024-03-07 05:00Z", 401, False, None))
        yield service


def everything(db: Database) -> dict[str, list[Any]]:
    return {table: asked(db, f"SELECT t::text FROM {table} t ORDER BY 1") for table in TABLES}


def waiting(db: Database, process: subprocess.Popen[bytes]) -> int:
    """The backend that waits for a table on behalf of a process."""
    while not (found := asked(db, "SELECT pid FROM pg_locks WHERE NOT granted AND locktype = 'relation'")):
        assert process.poll() is None, "it ended without writing that table"
        time.sleep(0.01)
    pid: int = found[0][0]
    return pid


def killed(db: Database, decision: str, table: str) -> None:
    """Decide in a process of its own, and end that one when it comes to write a table."""
    code = f"import sys; from barhouse import DatabaseService; db = DatabaseService(sys.argv[1]); {decision}"
    with psycopg.connect(db.url) as connection:
        connection.execute(f"LOCK TABLE {table} IN SHARE MODE".encode())
        with subprocess.Popen([sys.executable, "-c", code, db.url]) as process:
            backend = waiting(db, process)
            process.kill()
    while asked(db, "SELECT FROM pg_stat_activity WHERE pid = %s", backend):
        time.sleep(0.01)


@pytest.mark.parametrize("name", DECISIONS)
def test_nothing_is_half_decided_and_asking_again_ends_it(faulty: DatabaseService, name: str) -> None:
    decision, table = DECISIONS[name]
    before = everything(faulty)

    killed(faulty, decision, table)

    assert everything(faulty) == before
    exec(decision, {"db": faulty})
    assert everything(faulty)[table] != before[table]


def test_sweeps_beside_a_backfill_come_to_the_same_as_one_after_it(db: Database) -> None:
    series = stored(db, "AAPL", week(4))

    with ThreadPoolExecutor(3) as threads:
        sweeps = [threads.submit(sweep, db, [series], IN_TIME) for _ in range(3)]
        stored(db, "AAPL", week(5, 8))
        sweeps += [threads.submit(sweep, db, [series], IN_TIME) for _ in range(3)]
        stored(db, "AAPL", week(6))
        for each in sweeps:
            each.result()

    findings = sweep(db, [series], IN_TIME)
    assert [(gap["gap_time"], gap["missing_bars"]) for gap in findings.gaps] == [("2024-03-07T00:00:00Z", 1)]
    open_ones = "SELECT data_point_time::date::text FROM data_anomalies WHERE resolution_status <> 'resolved'"
    assert asked(db, open_ones) == [("2024-03-07",)]
    assert asked(db, "SELECT sum(total_records) FROM data_quality_metrics") == [(4,)]
