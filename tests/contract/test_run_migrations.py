"""`python scripts/run_migrations.py`, as users call it: from any directory, with an exit status that can be trusted."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import psycopg

REPOSITORY = Path(__file__).parents[2]
FILES = sorted(path.name for path in (REPOSITORY / "database" / "migrations").glob("*.sql"))
BOOKS = {
    *("backfill_state", "enrichment_fetch_log", "enrichment_compute_log", "data_quality_metrics"),
    *("data_corrections", "enrichment_status", "scheduler_execution_log", "feature_computation_failures"),
    *("feature_freshness", "symbol_computation_status", "backfill_state_persistent", "data_anomalies"),
    *("duplicate_records_log", "symbol_failure_tracking"),
}


def run(folder: Path, url: str | None) -> subprocess.CompletedProcess[str]:
    unset = {name: value for name, value in os.environ.items() if "DATABASE_URL" not in name}
    environment = unset if url is None else {**unset, "DATABASE_URL": url}
    script = REPOSITORY / "scripts" / "run_migrations.py"
    return subprocess.run(
        [sys.executable, str(script)], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_every_file_is_told_and_every_table_verified(empty_database_url: str, tmp_path: Path) -> None:
    ran = run(tmp_path, empty_database_url)

    lines = ran.stdout.splitlines()
    assert ran.returncode == 0, ran.stderr
    assert lines[: 2 * len(FILES)] == [
        line for name in FILES for line in (f"Running migration: {name}", "  ✓ Completed")
    ]
    verified = {match[1] for line in lines if (match := re.fullmatch(r"  ✓ (\w+) \(\d+ columns\)", line))}
    assert verified >= BOOKS
    assert lines[-1] == "✓ All migrations completed successfully"


def test_a_second_run_verifies_the_tables_again(database_url: str, tmp_path: Path) -> None:
    ran = run(tmp_path, database_url)

    assert ran.returncode == 0
    assert "Running migration" not in ran.stdout
    assert ran.stdout.endswith("✓ All migrations completed successfully\n")


def test_a_table_that_was_dropped_by_hand_is_told(database_url: str, tmp_path: Path) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("DROP TABLE enrichment_status")

    ran = run(tmp_path, database_url)

    assert ran.returncode == 1
    assert "  ✗ enrichment_status is missing" in ran.stdout
    assert "completed successfully" not in ran.stdout


def test_a_database_that_is_away_is_one_clear_line(tmp_path: Path) -> None:
    ran = run(tmp_path, "postgresql://user:hushhush@127.0.0.1:1/none")

    assert ran.returncode == 1
    assert ran.stderr.startswith("✗ PostgreSQL is away")
    assert "hushhush" not in ran.stderr
    assert "Traceback" not in ran.stderr


def test_without_an_address_the_script_says_how_to_give_one(tmp_path: Path) -> None:
    ran = run(tmp_path, None)

    assert ran.returncode == 2
    assert "Set DATABASE_URL" in ran.stderr
