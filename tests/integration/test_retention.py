"""Logs are forgotten when they are old; what tells of bars never is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from barhouse.config import Settings
from barhouse.flow import sessions
from barhouse.flow.batch import Batch
from barhouse.flow.ingest import keep
from barhouse.flow.retention import prune
from barhouse.store import retention
from barhouse.store.postgres import Database
from tests.answers import answer, kept, real

NOW = datetime.now(UTC)

LOGGED = """
INSERT INTO enrichment_fetch_log (symbol, asset_class, timeframe, source, success, created_at)
VALUES ('A', 'stock', '1d', 'yahoo', true, %(at)s);
INSERT INTO enrichment_compute_log (symbol, asset_class, timeframe, success, created_at)
VALUES ('A', 'stock', '1d', true, %(at)s);
INSERT INTO feature_computation_failures (symbol, asset_class, timeframe, error_message, failed_at)
VALUES ('A', 'stock', '1d', 'no', %(at)s);
INSERT INTO backfill_state_persistent (execution_id, symbol, asset_class, timeframe, status, created_at, completed_at)
VALUES (%(id)s, 'A', 'stock', '1d', 'completed', %(at)s, %(at)s);
INSERT INTO job (job_id, kind, created_at) VALUES (%(id)s, 'backfill', %(at)s);
INSERT INTO job_task (job_id, symbol, asset_class, timeframe, execution_id)
VALUES (%(id)s, 'A', 'stock', '1d', %(id)s);
INSERT INTO symbol_computation_status (execution_id, symbol, asset_class, timeframe, status, created_at)
VALUES (%(id)s, 'A', 'stock', '1d', 'completed', %(at)s);
INSERT INTO scheduler_execution_log (execution_id, started_at, status) VALUES (%(id)s, %(at)s, 'completed');
INSERT INTO health_run (run_at, status, stale_symbols, failed_symbols, anomalies_detected, alerts_triggered,
                        duration_ms, details)
VALUES (%(at)s, 'healthy', 0, 0, 0, 0, 1, '{}');
WITH incident AS (
    INSERT INTO alert_incident (rule, cause, severity, message, status, opened_at, over_at)
    VALUES ('overdue', 'all', 'warning', 'late', 'over', %(at)s, %(at)s) RETURNING id
)
INSERT INTO alert_delivery (incident, event, channel, status) SELECT id, 'opened', 'webhook', 'delivered' FROM incident;
INSERT INTO data_anomalies (symbol, asset_class, timeframe, anomaly_type, severity, resolution_status, resolved_at)
VALUES ('A', 'stock', '1d', 'gap', 'low', 'resolved', %(at)s);
INSERT INTO vendor_send (id, source, holder, leaves_at, weight) VALUES (%(id)s, 'yahoo', 'here', %(at)s, 1);
"""
"""A row in each log."""


def logged(db: Database, *ages: int) -> None:
    """Rows so many days old in each log."""
    with db.connection() as connection:
        for days in ages:
            for statement in LOGGED.strip().rstrip(";").split(";\n"):
                told = {"at": NOW - timedelta(days=days), "id": f"00000000-0000-0000-0000-{days:012}"}
                connection.execute(statement.encode(), told)


def rows(db: Database) -> dict[str, int]:
    """How many rows each log has."""
    with db.connection() as connection:
        return {
            each.name: connection.execute(f"SELECT count(*) FROM {each.table}".encode()).fetchall()[0][0]
            for each in retention.LOGS
        }


def test_each_log_forgets_what_is_older_than_it_may_be(db: Database) -> None:
    logged(db, 0, 100, 400)

    expected = dict.fromkeys(rows(db), 2) | {"runs": 1, "deliveries": 1, "incidents": 1, "anomalies": 1}
    assert prune(db, Settings(), NOW, dry_run=True) == expected
    assert set(rows(db).values()) == {3}
    assert prune(db, Settings(), NOW) == expected
    assert rows(db) == {name: 3 - gone for name, gone in expected.items()}
    assert set(prune(db, Settings(), NOW).values()) == {0}


def test_a_setting_keeps_its_log_longer(db: Database) -> None:
    logged(db, 0, 100, 400)
    told = {"retention_days": dict.fromkeys(type(Settings().retention_days).model_fields, 500)}

    assert prune(db, Settings.model_validate(told), NOW) == dict.fromkeys(rows(db), 0) | {"sends": 2}


def test_what_goes_on_stays_however_old_it_is(db: Database) -> None:
    logged(db, 400)
    with db.connection() as connection:
        connection.execute(b"UPDATE backfill_state_persistent SET status = 'in_progress', completed_at = NULL")
        connection.execute(b"UPDATE alert_incident SET status = 'delivered', over_at = NULL")
        connection.execute(b"UPDATE data_anomalies SET resolution_status = 'acknowledged', resolved_at = NULL")

    gone = prune(db, Settings(), NOW)

    unfinished = {"jobs", "executions", "deliveries", "incidents", "anomalies"}
    last = {"runs", "health_runs"}
    assert {name for name, count in gone.items() if not count} == unfinished | last


def test_a_fetch_that_changed_a_bar_or_filled_the_quarantine_stays(db: Database) -> None:
    series, calendar = kept(db, "AAPL"), sessions.calendar(db, "XNYS")
    bars = real("AAPL")[:5]
    keep(db, Batch([answer(series, bars)], calendar))
    keep(db, Batch([answer(series, bars)], calendar))
    keep(db, Batch([answer(series, bars[:1].with_columns(high=bars["low"][:1] / 2))], calendar))

    gone = prune(db, Settings(), NOW + timedelta(days=1000))

    assert gone["fetches"] == 1
    assert rows(db)["fetches"] == 2


def test_more_than_a_batch_goes(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 3)
    with db.connection() as connection:
        connection.execute(
            b"INSERT INTO enrichment_compute_log (symbol, asset_class, timeframe, success, created_at) "
            b"SELECT 'A', 'stock', '1d', true, now() - interval '100 days' FROM generate_series(1, 10)"
        )

    assert prune(db, Settings(), NOW)["computations"] == 10


def test_who_writes_an_old_row_just_now_is_not_waited_for(db: Database) -> None:
    logged(db, 100)
    with db.transaction() as busy:
        busy.execute(b"UPDATE enrichment_fetch_log SET calls = 1")

        assert prune(db, Settings(), NOW)["fetches"] == 0

    assert prune(db, Settings(), NOW)["fetches"] == 1
