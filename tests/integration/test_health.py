"""What a health run sees: a real PostgreSQL, days counted by pencil."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from barhouse.flow import sessions
from barhouse.flow.batch import Batch
from barhouse.flow.health import health_history, health_run
from barhouse.flow.ingest import keep
from barhouse.flow.quality import listed_anomalies
from barhouse.flow.sweep import sweep
from barhouse.flow.track import track
from barhouse.model import Instrument, Timeframe
from barhouse.store import incidents
from barhouse.store.anomalies import Wanted
from barhouse.store.executions import create_backfill_state
from barhouse.store.failures import track_symbol_failure
from barhouse.store.postgres import Database
from tests.answers import answer, kept, real

FRIDAY = datetime(2013, 3, 1, 21, 15, tzinfo=UTC)
"""When the last packaged bar was due: a quarter of an hour after its close."""


def stored(db: Database, symbol: str = "AAPL", *, tracked: bool = True) -> None:
    if tracked:
        track(db, [Instrument(symbol)], [Timeframe.D1], FRIDAY - timedelta(days=400))
    keep(db, Batch([answer(kept(db, symbol), real("AAPL"))], sessions.calendar(db, "XNYS")))


def rules(db: Database) -> dict[str, str]:
    return {each["rule"]: each["status"] for each in incidents.listed_incidents(db)}


def test_an_empty_warehouse_is_healthy(db: Database) -> None:
    told = health_run(db)

    counts = ("stale_symbols", "failed_symbols", "anomalies_detected", "alerts_triggered")
    assert [told[name] for name in counts] == [0, 0, 0, 0]
    assert told["status"] == "healthy"


def test_lateness_is_counted_in_market_time(db: Database) -> None:
    stored(db)

    # Monday's bar is due at 21:15Z: no weekend counts, six hours are no anomaly, a day is no alert
    hours = [3 * 24, 3 * 24 + 6, 3 * 24 + 6.01, 4 * 24, 4 * 24 + 0.01]
    seen = [health_run(db, now=FRIDAY + timedelta(hours=each)) for each in hours]

    assert [each["stale_symbols"] for each in seen] == [0, 0, 1, 1, 1]
    assert [each["anomalies_detected"] for each in seen] == [0, 0, 1, 1, 1]
    assert [each["alerts_triggered"] for each in seen] == [0, 0, 0, 0, 1]
    [stale] = seen[-1]["details"]["stale"]
    assert (stale["symbol"], stale["hours_stale"], stale["missed_bars"]) == ("AAPL", 24.01, 2)
    assert stale["last_update"] == "2013-03-01T21:00:00Z"
    assert rules(db) == {"overdue": "open"}


def test_what_nobody_tracks_is_stale_but_nobody_is_told(db: Database) -> None:
    stored(db, tracked=False)

    told = health_run(db, now=FRIDAY + timedelta(days=10))

    assert (told["stale_symbols"], told["alerts_triggered"]) == (1, 0)


def test_a_stale_series_is_one_anomaly_that_ends_with_its_bars(db: Database) -> None:
    stored(db)
    late = FRIDAY + timedelta(days=10)
    for _ in range(2):
        health_run(db, now=late)
    wanted = Wanted(type="stale")

    assert [each["resolution_status"] for each in listed_anomalies(db, wanted)] == ["open"]
    assert health_run(db, now=FRIDAY)["anomalies_detected"] == 0
    assert [each["resolution_status"] for each in listed_anomalies(db, wanted)] == ["resolved"]
    assert rules(db) == {"overdue": "over"}


def test_what_sweeps_have_found_is_read_not_sought_again(db: Database) -> None:
    series = kept(db, "AAPL")
    bars = real("AAPL").filter(~pl.col("time").is_in(real("AAPL")["time"][[50, 80]].implode()))
    keep(db, Batch([answer(series, bars)], sessions.calendar(db, "XNYS")))

    assert health_run(db, now=FRIDAY)["anomalies_detected"] == 0
    sweep(db, [series], now=FRIDAY)

    told = health_run(db, now=FRIDAY)
    gaps = [row for row in told["details"]["anomalies"] if row["anomaly_type"] == "gap"]
    assert gaps == [{"anomaly_type": "gap", "severity": "low", "count": 2}]


def test_what_waits_and_what_room_is_left_is_told(db: Database, tmp_path: Path) -> None:
    create_backfill_state(db, "AAPL")
    with db.connection() as connection:
        connection.execute("UPDATE backfill_state_persistent SET created_at = now() - interval '7 hours'")

    details = health_run(db, data_dir=tmp_path)["details"]

    assert details["queue"]["waiting"] == 1
    assert abs(details["queue"]["oldest_seconds"] - 7 * 3600) < 60
    assert abs(details["disk_free_bytes"] - shutil.disk_usage(tmp_path).free) < 1 << 30
    assert rules(db) == {"queue_age": "open"}


def test_a_run_of_which_a_fifth_failed_is_good_enough_more_is_not(db: Database) -> None:
    now = datetime.now(UTC)

    def ended(successful: int, failed: int) -> None:
        with db.connection() as connection:
            connection.execute(
                "INSERT INTO scheduler_execution_log (started_at, completed_at, status, total_symbols,"
                " successful_symbols, failed_symbols) VALUES (now(), clock_timestamp(), 'completed', %s, %s, %s)",
                [successful + failed, successful, failed],
            )

    for successful, failed, status in ((8, 2, None), (4, 5, None), (7, 3, "open"), (10, 0, "over")):
        ended(successful, failed)
        health_run(db, now=now)
        assert rules(db).get("run_failures") == status


def test_no_backfill_for_a_day_is_told_until_one_succeeds(db: Database) -> None:
    track(db, [Instrument("AAPL")], [Timeframe.D1], FRIDAY)
    now = datetime.now(UTC)

    health_run(db, now=now + timedelta(hours=23))
    assert rules(db) == {}
    health_run(db, now=now + timedelta(hours=25))
    assert rules(db) == {"no_backfill": "open"}
    with db.connection() as connection:
        connection.execute(
            "INSERT INTO scheduler_execution_log (started_at, completed_at, status, total_symbols, successful_symbols)"
            " VALUES (now(), now() + interval '2 hours', 'completed', 1, 1)"
        )
    health_run(db, now=now + timedelta(hours=25))
    assert rules(db) == {"no_backfill": "over"}


def test_runs_are_kept_newest_first_with_all_they_saw(db: Database) -> None:
    for _ in range(3):
        track_symbol_failure(db, "AAPL")
    told = [health_run(db) for _ in range(3)]

    kept_runs = health_history(db, 2)

    assert [each["timestamp"] for each in kept_runs] == [told[2]["timestamp"], told[1]["timestamp"]]
    assert kept_runs[0] == told[2]
    assert kept_runs[0]["details"]["failing"][0]["consecutive_failures"] == 3


def test_runs_at_once_agree(db: Database) -> None:
    stored(db)

    with ThreadPoolExecutor(4) as pool:
        told = list(pool.map(lambda _: health_run(db, now=FRIDAY + timedelta(days=10)), range(4)))

    assert {(each["stale_symbols"], each["anomalies_detected"], each["status"]) for each in told} == {(1, 1, "warning")}
    assert sum(each["alerts_triggered"] for each in told) == 1
