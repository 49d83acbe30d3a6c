"""The seventeen tests that Phase 4 named, each with its counterpart: by the methods of `DatabaseService`."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from importlib import import_module
from typing import Any

import polars as pl
import pytest

from barhouse import DatabaseService
from barhouse.flow import sessions
from barhouse.flow.batch import Batch
from barhouse.flow.ingest import keep
from barhouse.model import instant
from tests.answers import answer, kept, real
from tests.integration.doubled import done, written

HEALTH = "test_scheduler_classes.test_symbols_come_from_the_database_and_health_is_told"
COUNTERPARTS = {
    "test_create_backfill_state": "test_books.test_a_new_state_is_pending_and_bears_an_id_of_36_characters",
    "test_update_backfill_state_success": "test_books.test_a_state_says_when_it_started_and_when_it_ended",
    "test_update_backfill_state_failed": "test_books.test_a_finished_state_never_goes_back",
    "test_get_active_backfill_states": "test_books.test_the_states_in_progress_are_listed_oldest_first",
    "test_cleanup_duplicates_dry_run": "test_phase_4.test_a_dry_run_lists_duplicates_and_removes_none",
    "test_cleanup_duplicates_active": "test_phase_4.test_a_cleanup_removes_duplicates_once",
    "test_detect_gaps": "test_phase_4.test_a_gap_is_detected",
    "test_detect_staleness": "test_phase_4.test_a_stale_series_is_detected",
    "test_detect_outliers": "test_phase_4.test_an_outlier_is_detected",
    "test_detect_anomalies_combined": "test_phase_4.test_all_anomalies_together_are_the_sum",
    "test_track_symbol_success": "test_books.test_a_success_ends_the_row_of_failures_and_the_next_row_is_told_anew",
    "test_track_symbol_failure_count": "test_books.test_ten_failures_at_once_count_ten",
    "test_track_symbol_failure_alert": "test_phase_4.test_the_third_failure_asks_for_an_alert",
    "test_health_monitoring_job_execution": HEALTH,
    "test_load_symbols_from_database": HEALTH,
    "test_concurrent_backfill_tracking": "test_phase_4.test_states_of_many_series_are_tracked_at_once",
    "test_data_quality_workflow": "test_phase_4.test_what_is_detected_is_gone_when_it_is_mended",
}

METHODS = (
    *("create_backfill_state", "update_backfill_state", "get_active_backfill_states", "cleanup_duplicate_records"),
    *("detect_data_anomalies", "track_symbol_failure", "create_scheduler_execution_log"),
    *("update_scheduler_execution_log", "log_feature_computation_failure", "update_feature_freshness"),
    *("log_symbol_computation_status", "get_scheduler_health", "get_feature_staleness_report"),
    "get_scheduler_execution_history",
)

GAP, OUTLIER = 40, 90
"""Bars before the last one: one that is absent, and one at ten times its price."""


@pytest.fixture(scope="module")
def bars() -> pl.DataFrame:
    """AAPL's last 400 real days without one of them, and with one at ten times its price."""
    rows = real("AAPL").tail(400).with_row_index("row")
    wrong = pl.col("row") == 400 - OUTLIER
    prices = [
        pl.when(wrong).then(pl.col(name) * 10).otherwise(name).alias(name) for name in ("open", "high", "low", "close")
    ]
    return rows.with_columns(prices).filter(pl.col("row") != 400 - GAP).drop("row")


@pytest.fixture
def service(database_url: str, bars: pl.DataFrame) -> Iterator[DatabaseService]:
    with DatabaseService(database_url) as service:
        series = kept(service, "AAPL")
        keep(service, Batch([answer(series, bars)], sessions.calendar(service, "XNYS")))
        done(service, "UPDATE series SET tracked = true, since = '2011-01-01Z'")
        yield service


def detected(service: DatabaseService, **asked: bool) -> dict[str, Any]:
    only = dict.fromkeys(("check_gaps", "check_outliers", "check_staleness"), False)
    told: dict[str, Any] = service.detect_data_anomalies("AAPL", "1d", **(only | asked))
    return told


@pytest.mark.parametrize("name", COUNTERPARTS)
def test_each_has_a_counterpart(name: str) -> None:
    module, _, test = COUNTERPARTS[name].partition(".")

    assert callable(getattr(import_module(f"tests.contract.{module}"), test))


@pytest.mark.parametrize("name", METHODS)
def test_each_method_of_the_contract_is_there(name: str) -> None:
    assert callable(getattr(DatabaseService, name))


def test_a_dry_run_lists_duplicates_and_removes_none(service: DatabaseService, bars: pl.DataFrame) -> None:
    slot = bars["time"][100]
    written(service, (slot + timedelta(hours=14, minutes=30), 400, False, 0.5))

    told = service.cleanup_duplicate_records("AAPL", "1d", dry_run=True)

    assert (told["total_duplicates_found"], told["total_records_removed"]) == (1, 0)
    [detail] = told["cleanup_details"]
    assert (detail["symbol"], detail["timeframe"]) == ("AAPL", "1d")
    assert (detail["candle_time"], detail["duplicates_removed"]) == (instant(slot), 1)


def test_a_cleanup_removes_duplicates_once(service: DatabaseService, bars: pl.DataFrame) -> None:
    written(service, (bars["time"][100] + timedelta(hours=14, minutes=30), 400, False, 0.5))

    first, second = (service.cleanup_duplicate_records("AAPL", "1d") for _ in range(2))

    assert (first["total_duplicates_found"], first["total_records_removed"]) == (1, 1)
    assert (second["total_duplicates_found"], second["total_records_removed"]) == (0, 0)


def test_a_gap_is_detected(service: DatabaseService) -> None:
    told = detected(service, check_gaps=True)

    [gap] = told["gaps"]
    assert gap["gap_time"] == instant(real("AAPL")["time"][-GAP])
    assert (gap["missing_bars"], told["outliers"], told["stale_data"], told["total_anomalies"]) == (1, [], [], 1)


def test_an_outlier_is_detected(service: DatabaseService) -> None:
    told = detected(service, check_outliers=True)

    assert instant(real("AAPL")["time"][-OUTLIER]) in {each["time"] for each in told["outliers"]}
    assert {"high", "critical"} >= {each["severity"] for each in told["outliers"]}
    assert (told["gaps"], told["total_anomalies"]) == ([], len(told["outliers"]))


def test_a_stale_series_is_detected(service: DatabaseService) -> None:
    told = detected(service, check_staleness=True)

    [stale] = told["stale_data"]
    assert (stale["symbol"], stale["timeframe"], stale["severity"]) == ("AAPL", "1d", "critical")
    assert stale["hours_stale"] > 24 * 365
    assert told["total_anomalies"] == 1


def test_all_anomalies_together_are_the_sum(service: DatabaseService) -> None:
    told = service.detect_data_anomalies()

    counts = [len(told[name]) for name in ("gaps", "outliers", "stale_data")]
    assert min(counts) >= 1
    assert told["total_anomalies"] == sum(counts)


def test_the_third_failure_asks_for_an_alert(service: DatabaseService) -> None:
    told = [service.track_symbol_failure("AAPL")["should_alert"] for _ in range(4)]

    assert told == [False, False, True, True]


def test_states_of_many_series_are_tracked_at_once(service: DatabaseService) -> None:
    def ran(symbol: str) -> bool:
        execution = service.create_backfill_state(symbol)
        service.update_backfill_state(execution, "in_progress")
        return service.update_backfill_state(execution, "completed", records_inserted=5) is True

    with ThreadPoolExecutor(10) as threads:
        assert all(threads.map(ran, [f"S{number}" for number in range(30)]))
    assert service.get_active_backfill_states() == []


def test_what_is_detected_is_gone_when_it_is_mended(service: DatabaseService) -> None:
    before = detected(service, check_gaps=True)["total_anomalies"]

    missing = real("AAPL")[-GAP:].head(1)
    keep(service, Batch([answer(kept(service, "AAPL"), missing)], sessions.calendar(service, "XNYS")))

    assert (before, detected(service, check_gaps=True)["total_anomalies"]) == (1, 0)
