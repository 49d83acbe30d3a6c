"""What scripts rely on when they keep the books themselves: the methods of `DatabaseService`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from typing import Any
from uuid import UUID

import psycopg
import pytest

from barhouse import DatabaseService
from barhouse.errors import AmbiguousSymbol, InvalidAssetClass, InvalidParameter, InvalidTimeframe
from barhouse.model import AssetClass, Instrument, Series, Timeframe, instant
from barhouse.store import instruments

NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
UNKNOWN = "6f0e8d3c-3c0e-4a0a-9d53-3a4c3c1b8f10"
MALFORMED = ["", "nothing", "0000", UNKNOWN[:-1], None, 7, "\x00"]


def row(service: DatabaseService, execution: str) -> dict[str, Any]:
    return asked(service, "SELECT * FROM backfill_state_persistent WHERE execution_id = %s", execution)[0]


def asked(service: DatabaseService, question: str, *parameters: object) -> list[dict[str, Any]]:
    with psycopg.connect(service.url, row_factory=psycopg.rows.dict_row) as connection:
        return connection.execute(question.encode(), parameters).fetchall()


def test_a_new_state_is_pending_and_bears_an_id_of_36_characters(service: DatabaseService) -> None:
    execution = service.create_backfill_state("AAPL")

    assert len(execution) == 36
    assert str(UUID(execution)) == execution
    state = row(service, execution)
    assert (state["symbol"], state["asset_class"], state["timeframe"]) == ("AAPL", "stock", "1d")
    assert (state["status"], state["started_at"], state["completed_at"]) == ("pending", None, None)
    assert (state["records_inserted"], state["retry_count"], state["max_retries"]) == (0, 0, 3)


def test_an_active_series_keeps_its_state_and_a_finished_one_gets_another(service: DatabaseService) -> None:
    first = service.create_backfill_state("AAPL", "stock", "1h")

    assert service.create_backfill_state("AAPL", "stock", "1h") == first
    assert service.create_backfill_state("AAPL", "stock", "1h", status="in_progress") == first
    assert row(service, first)["status"] == "pending"
    assert service.create_backfill_state("AAPL", "stock", "1d") != first
    assert service.create_backfill_state("AAPL", "etf", "1h") != first
    service.update_backfill_state(first, "completed")
    assert service.create_backfill_state("AAPL", "stock", "1h") != first


def test_a_state_says_when_it_started_and_when_it_ended(service: DatabaseService) -> None:
    execution = service.create_backfill_state("BTC", "crypto", "1h")

    assert service.update_backfill_state(execution, "in_progress")
    started = row(service, execution)
    assert started["started_at"] is not None
    assert started["completed_at"] is None
    assert service.update_backfill_state(execution, "in_progress", records_inserted=40, retry_count=2)
    assert service.update_backfill_state(execution, "failed", error_message="no answer")
    ended = row(service, execution)
    assert ended["started_at"] == started["started_at"]
    assert ended["completed_at"] >= ended["started_at"]
    assert (ended["records_inserted"], ended["retry_count"], ended["error_message"]) == (40, 2, "no answer")


@pytest.mark.parametrize("end", ["completed", "failed"])
@pytest.mark.parametrize("later", ["pending", "in_progress", "completed", "failed"])
def test_a_finished_state_never_goes_back(service: DatabaseService, end: str, later: str) -> None:
    execution = service.create_backfill_state("AAPL")
    service.update_backfill_state(execution, end, records_inserted=5)
    before = row(service, execution)

    assert not service.update_backfill_state(execution, later, records_inserted=9, error_message="x", retry_count=1)
    assert row(service, execution) == before


@pytest.mark.parametrize("execution", [*MALFORMED, UNKNOWN])
def test_an_id_that_nobody_knows_or_that_is_none_changes_nothing(service: DatabaseService, execution: Any) -> None:
    assert service.update_backfill_state(execution, "completed") is False
    assert service.update_scheduler_execution_log(execution, NOW, 1, 0, 5) is False
    assert service.log_symbol_computation_status(execution, "AAPL", "stock", "1d", "completed") is False
    if execution is not None:
        assert service.log_feature_computation_failure("AAPL", "1d", "why", execution) is False
    assert not asked(service, "SELECT FROM feature_computation_failures")


def test_the_states_in_progress_are_listed_oldest_first(service: DatabaseService) -> None:
    first, second, _ = (service.create_backfill_state(symbol) for symbol in ("B", "A", "C"))
    service.update_backfill_state(first, "in_progress")
    service.update_backfill_state(second, "in_progress", retry_count=1)

    active = service.get_active_backfill_states()

    assert [(each["execution_id"], each["symbol"]) for each in active] == [(first, "B"), (second, "A")]
    assert active[1] == {
        "execution_id": second,
        "symbol": "A",
        "asset_class": "stock",
        "timeframe": "1d",
        "status": "in_progress",
        "started_at": instant(row(service, second)["started_at"]),
        "retry_count": 1,
        "max_retries": 3,
    }


def test_what_is_no_state_is_refused(service: DatabaseService) -> None:
    execution = service.create_backfill_state("AAPL")

    with pytest.raises(InvalidTimeframe):
        service.create_backfill_state("AAPL", "stock", "2h")
    with pytest.raises(InvalidAssetClass):
        service.create_backfill_state("AAPL", "bond")
    with pytest.raises(InvalidParameter, match="status"):
        service.update_backfill_state(execution, "done")
    with pytest.raises(InvalidParameter, match="symbol"):
        service.create_backfill_state(" ")
    with pytest.raises(InvalidParameter, match="status"):
        service.create_scheduler_execution_log(NOW, 1, "done")
    with pytest.raises(InvalidParameter, match="status"):
        service.log_symbol_computation_status(execution, "AAPL", "stock", "1d", "done")
    with pytest.raises(InvalidParameter, match="limit"):
        service.get_scheduler_execution_history(0)


@pytest.mark.every_server
def test_ten_threads_that_create_a_state_at_once_get_the_same_one(service: DatabaseService) -> None:
    for symbol in ("AAPL", "MSFT", "SPY"):
        with ThreadPoolExecutor(10) as threads:
            ids = list(threads.map(service.create_backfill_state, [symbol] * 10))
        assert len(set(ids)) == 1
    assert len(asked(service, "SELECT FROM backfill_state_persistent")) == 3


def test_ten_processes_that_create_a_state_at_once_get_the_same_one(service: DatabaseService) -> None:
    with get_context("spawn").Pool(5) as processes:
        ids = processes.starmap(created, [(service.url, "AAPL")] * 10, chunksize=1)

    assert len(set(ids)) == 1


def created(url: str, symbol: str) -> str:
    with DatabaseService(url) as service:
        execution: str = service.create_backfill_state(symbol)
        return execution


@pytest.mark.every_server
def test_ten_failures_at_once_count_ten(service: DatabaseService) -> None:
    with ThreadPoolExecutor(10) as threads:
        told = list(threads.map(service.track_symbol_failure, ["AAPL"] * 10))

    assert sorted(each["consecutive_failures"] for each in told) == list(range(1, 11))
    assert sorted(each["should_alert"] for each in told) == [False] * 2 + [True] * 8


def test_a_success_ends_the_row_of_failures_and_the_next_row_is_told_anew(service: DatabaseService) -> None:
    for _ in range(3):
        third = service.track_symbol_failure("AAPL")
    asked(service, "UPDATE symbol_failure_tracking SET alert_sent = true RETURNING id")
    fourth = service.track_symbol_failure("AAPL")
    success = service.track_symbol_failure("AAPL", success=True)
    anew = [service.track_symbol_failure("AAPL") for _ in range(3)]

    assert (third["symbol"], third["consecutive_failures"], third["should_alert"]) == ("AAPL", 3, True)
    assert third["last_failure_at"] is not None
    assert (fourth["consecutive_failures"], fourth["alert_sent"], fourth["should_alert"]) == (4, True, False)
    assert (success["consecutive_failures"], success["alert_sent"], success["should_alert"]) == (0, False, False)
    assert success["last_failure_at"] == fourth["last_failure_at"]
    assert [each["should_alert"] for each in anew] == [False, False, True]


def test_failures_are_counted_for_the_instrument_that_is_kept(service: DatabaseService) -> None:
    with service.transaction() as connection:
        instruments.track(connection, Series(Instrument("BTC", AssetClass.CRYPTO), Timeframe.D1))

    assert service.track_symbol_failure("BTC")["asset_class"] == "crypto"
    assert service.track_symbol_failure("NEW")["asset_class"] == "stock"
    assert service.track_symbol_failure("BTC", asset_class="etf")["consecutive_failures"] == 1
    with service.transaction() as connection:
        instruments.track(connection, Series(Instrument("BTC", AssetClass.ETF), Timeframe.D1))
    with pytest.raises(AmbiguousSymbol):
        service.track_symbol_failure("BTC")


def test_a_run_is_told_while_it_is_under_way_and_when_it_has_ended(service: DatabaseService) -> None:
    run = service.create_scheduler_execution_log(NOW, 3)

    [under_way] = service.get_scheduler_execution_history()["executions"]
    assert under_way == {
        "execution_id": run,
        "started_at": instant(NOW),
        "completed_at": None,
        "duration_seconds": None,
        "total_symbols": 3,
        "successful_symbols": 0,
        "failed_symbols": 0,
        "total_records_processed": 0,
        "status": "running",
        "error_message": None,
        "success_rate": 0.0,
    }
    end = NOW + timedelta(seconds=90.5)
    assert service.update_scheduler_execution_log(run, end, 2, 1, 500, "completed_with_errors", "MSFT: no answer")
    [ended] = service.get_scheduler_execution_history()["executions"]
    assert (ended["duration_seconds"], ended["success_rate"], ended["total_records_processed"]) == (90.5, 66.7, 500)
    assert (ended["status"], ended["error_message"]) == ("completed_with_errors", "MSFT: no answer")
    assert not service.update_scheduler_execution_log(run, None, 0, 0, 0, "running")


def test_the_latest_runs_come_first_and_none_of_none_is_no_success(service: DatabaseService) -> None:
    runs = [service.create_scheduler_execution_log(NOW + timedelta(days=day), 0) for day in range(3)]

    told = service.get_scheduler_execution_history(2)["executions"]

    assert [each["execution_id"] for each in told] == [runs[2], runs[1]]
    assert told[0]["success_rate"] == 0
    assert len(service.get_scheduler_execution_history(100)["executions"]) == 3


def test_a_moment_without_a_zone_is_utc(service: DatabaseService) -> None:
    service.create_scheduler_execution_log(NOW.replace(tzinfo=None), 1)

    [run] = service.get_scheduler_execution_history()["executions"]
    assert run["started_at"] == instant(NOW)


def test_how_a_series_fares_in_a_run_is_one_row(service: DatabaseService) -> None:
    run = service.create_scheduler_execution_log(NOW, 1)
    series = ("AAPL", "stock", "1d")

    assert service.log_symbol_computation_status(run, *series, "in_progress", started_at=NOW)
    assert service.log_symbol_computation_status(run, *series, "completed", 250, 249, 14, completed_at=NOW)

    [told] = asked(service, "SELECT * FROM symbol_computation_status")
    assert (told["status"], told["records_processed"], told["records_inserted"]) == ("completed", 250, 249)
    assert (told["features_computed"], told["started_at"], told["completed_at"]) == (14, NOW, NOW)


def test_a_failure_of_features_is_kept_with_its_run_or_without(service: DatabaseService) -> None:
    run = service.create_scheduler_execution_log(NOW, 1)

    assert service.log_feature_computation_failure("AAPL", "1d", "no bars", run)
    assert service.log_feature_computation_failure("BTC", "1h", "no bars", asset_class="crypto")

    told = asked(
        service, "SELECT symbol, asset_class, execution_id::text FROM feature_computation_failures ORDER BY id"
    )
    assert [tuple(each.values()) for each in told] == [("AAPL", "stock", run), ("BTC", "crypto", None)]
