"""A run: what it writes down, what others see of it, and what becomes of it when its process dies."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import polars as pl
import psycopg
import pytest

from barhouse import DatabaseService
from barhouse.api import vendor_side
from barhouse.api.sample import sample
from barhouse.config import Settings
from barhouse.errors import LeaseLost, SourceUnavailable
from barhouse.flow import sessions
from barhouse.flow.backfill import Outcome, Watch, nobody
from barhouse.flow.batch import Batch
from barhouse.flow.computed import recorded
from barhouse.flow.ingest import keep, note
from barhouse.flow.plan import Piece, Wanted
from barhouse.flow.run import bring
from barhouse.flow.standing import standings
from barhouse.flow.track import track
from barhouse.model import Instrument, Series, Span, Timeframe
from barhouse.resilience.retry import Retry
from barhouse.sources import configured
from barhouse.sources.base import Source
from barhouse.sources.fallback import Attempt
from barhouse.store import executions, runs
from barhouse.store.executions import State, Step
from barhouse.store.postgres import Database
from tests.answers import answer, kept, real
from tests.integration.embedded_servers import REPOSITORY

NOW = datetime(2013, 3, 2, 12, tzinfo=UTC)
"""A Saturday; the packaged bars end on the Friday before."""
YEARS = Span(datetime(2012, 1, 1, tzinfo=UTC), datetime(2013, 3, 2, tzinfo=UTC))

QUICK = Retry(wait_initial=0.01, wait_jitter=0.0)


@pytest.fixture(scope="module")
def vendors() -> Iterator[str]:
    with vendor_side.served(vendor_side.create(sample())) as url:
        yield url


def at(vendors: str) -> dict[str, Source]:
    return configured(
        Settings.model_validate(
            {"polygon_api_key": "k", "polygon_calls_per_minute": 0, "polygon_url": vendors}
            | {"yahoo_url": vendors, "binance_url": vendors}
        ),
        retry=QUICK,
    )


def wanted(db: Database, *symbols: str) -> list[Wanted]:
    series = track(db, [Instrument(symbol) for symbol in symbols], [Timeframe.D1], YEARS.start)
    return [Wanted(each, YEARS) for each in series]


def ran(db: DatabaseService, sources: dict[str, Source], every: list[Wanted], **how: Any) -> list[Outcome]:
    async def run() -> list[Outcome]:
        try:
            return await bring(db, sources, every, now=NOW, **how)
        finally:
            for source in sources.values():
                await source.close()

    return asyncio.run(run())


def asked(db: DatabaseService, question: str, *parameters: object) -> list[dict[str, Any]]:
    with psycopg.connect(db.url, row_factory=psycopg.rows.dict_row) as connection:
        return connection.execute(question.encode(), parameters).fetchall()


@pytest.mark.every_server
def test_a_run_leaves_its_books_behind(service: DatabaseService, vendors: str) -> None:
    outcomes = ran(service, at(vendors), wanted(service, "AAPL", "MSFT"))

    bars = {str(each.series): each.inserted for each in outcomes}
    [run] = service.get_scheduler_execution_history()["executions"]
    assert (run["status"], run["total_symbols"], run["successful_symbols"], run["failed_symbols"]) == (
        "completed",
        2,
        2,
        0,
    )
    assert run["total_records_processed"] == sum(bars.values()) > 500
    assert run["completed_at"] > run["started_at"]
    for state in asked(service, "SELECT * FROM backfill_state_persistent"):
        assert (state["status"], state["lease_token"], state["error_message"]) == ("completed", None, None)
        assert state["records_inserted"] == bars[f"{state['symbol']} 1d"]
        assert state["bars_done"] == state["bars_expected"] >= state["records_inserted"]
        assert str(state["run_id"]) == run["execution_id"]
    for status in asked(service, "SELECT * FROM symbol_computation_status"):
        assert (status["status"], status["records_inserted"]) == ("completed", bars[f"{status['symbol']} 1d"])
        assert status["features_computed"] == 13
        assert status["started_at"] <= status["completed_at"]
    for computation in asked(service, "SELECT * FROM enrichment_compute_log"):
        assert (computation["success"], computation["features_computed"]) == (True, 13)
        assert computation["missing_fields"] == ["return_1h"]
        assert computation["computation_time_ms"] > 0
    for fresh in asked(service, "SELECT * FROM feature_freshness"):
        assert fresh["data_point_count"] == bars[f"{fresh['symbol']} 1d"]
        assert (fresh["status"], fresh["staleness_seconds"]) == ("fresh", 0)
    for point in asked(service, "SELECT * FROM backfill_state"):
        assert (point["status"], point["last_successful_date"], point["retry_count"]) == (
            "completed",
            YEARS.end.date(),
            0,
        )
    for state in asked(service, "SELECT * FROM enrichment_status"):
        assert (state["status"], state["records_available"]) == ("warning", bars[f"{state['symbol']} 1d"])
        # Polygon's vw and n are not packaged: 0.4 of five sevenths, and all of the rest
        assert state["quality_score"] == pytest.approx(0.4 * 5 / 7 + 0.6)
        # From Friday's close at 21:00Z on
        assert state["data_age_seconds"] == 15 * 3600
        assert state["validation_rate"] == 100
    assert [each["consecutive_failures"] for each in asked(service, "SELECT * FROM symbol_failure_tracking")] == [0, 0]


def test_a_series_that_no_source_gives_fails_with_what_is_missing(service: DatabaseService, vendors: str) -> None:
    away = at("http://127.0.0.1:1")
    for _ in range(2):
        ran(service, away, wanted(service, "AAPL"))
    failed = asked(service, "SELECT * FROM symbol_failure_tracking")[0]
    health = service.get_scheduler_health()
    [state, *_] = asked(service, "SELECT * FROM backfill_state_persistent")
    ran(service, at(vendors), wanted(service, "AAPL", "MSFT"))

    assert failed["consecutive_failures"] == 2
    assert (health["status"], health["last_execution"]["status"]) == ("degraded", "failed")
    assert [(each["symbol"], each["timeframe"]) for each in health["recent_failures"]] == [("AAPL", "1d")] * 2
    assert state["status"] == "failed"
    assert state["error_message"].startswith("2012-01-01 to 2013-03-02 could not be read: ")
    history = service.get_scheduler_execution_history()["executions"]
    assert [each["status"] for each in history] == ["completed", "failed", "failed"]
    assert history[1]["error_message"].startswith("AAPL 1d: 2012-01-01 to 2013-03-02 could not be read")
    told = asked(
        service, "SELECT symbol, consecutive_failures AS failures FROM symbol_failure_tracking ORDER BY symbol"
    )
    assert [tuple(each.values()) for each in told] == [("AAPL", 0), ("MSFT", 0)]
    points = asked(service, "SELECT symbol, status, retry_count, error_message FROM backfill_state ORDER BY symbol")
    assert [tuple(each.values()) for each in points] == [("AAPL", "completed", 0, None), ("MSFT", "completed", 0, None)]


def test_a_run_that_misses_nothing_is_a_success_too(service: DatabaseService, vendors: str) -> None:
    every = wanted(service, "AAPL")
    ran(service, at(vendors), every)
    # Two weeks later all of it is final
    assert (
        ran(service, at(vendors), [Wanted(every[0].series, Span(YEARS.start, datetime(2012, 6, 1, tzinfo=UTC)))]) == []
    )

    latest = service.get_scheduler_execution_history()["executions"][0]
    assert (latest["status"], latest["successful_symbols"], latest["total_records_processed"]) == ("completed", 1, 0)
    assert service.get_active_backfill_states() == []


@pytest.mark.every_server
def test_a_dead_workers_series_are_taken_over_when_its_lease_has_run_out(
    service: DatabaseService, vendors: str
) -> None:
    execution = dropped(service, "AAPL")
    orphan = dropped(service, "GONE")
    last = asked(service, "SELECT * FROM scheduler_run")[0]

    ran(service, at(vendors), wanted(service, "AAPL"))

    assert (last["status"], last["error_message"]) == ("failed", "Its process ended in the midst of it")
    state, left = (stands(service, each) for each in (execution, orphan))
    assert (state["status"], state["retry_count"], state["records_inserted"]) == ("completed", 1, 291)
    assert (left["status"], left["error_message"].split(" in ")[0]) == ("failed", "Its worker ended")
    assert left["completed_at"] is not None
    assert {each["status"] for each in asked(service, "SELECT status FROM scheduler_execution_log")} == {
        "failed",
        "completed",
    }


def test_an_execution_dropped_too_often_is_failed_and_the_next_one_brings_the_series(
    service: DatabaseService, vendors: str
) -> None:
    execution = dropped(service, "AAPL", retries=3)

    ran(service, at(vendors), wanted(service, "AAPL"))

    state = stands(service, execution)
    assert (state["status"], state["retry_count"]) == ("failed", 3)
    assert state["error_message"] == "Given up: its worker ended in the midst of it 4 times"
    others = asked(service, "SELECT status FROM backfill_state_persistent WHERE execution_id <> %s", execution)
    assert [each["status"] for each in others] == ["completed"]


def dropped(service: DatabaseService, symbol: str, retries: int = 0) -> str:
    """An execution whose worker was killed a while ago, in a run that was too."""
    with service.transaction() as connection:
        run = runs.begin(connection, NOW, 1)
        [execution] = executions.opened(connection, [Series(Instrument(symbol), Timeframe.D1)]).values()
        executions.claim(connection, [execution], run=run)
        for table in ("backfill_state_persistent", "scheduler_execution_log"):
            connection.execute(f"UPDATE {table} SET lease_expires_at = clock_timestamp() - interval '1 s'".encode())
        connection.execute(f"UPDATE backfill_state_persistent SET retry_count = {retries}".encode())
    return str(execution)


def stands(service: DatabaseService, execution: str) -> dict[str, Any]:
    return asked(service, "SELECT * FROM backfill_state_persistent WHERE execution_id = %s", execution)[0]


@pytest.mark.every_server
def test_a_claim_is_given_to_one_of_ten_threads(service: DatabaseService) -> None:
    execution = UUID(service.create_backfill_state("AAPL"))

    def claimed(_: int) -> int:
        with service.connection() as connection:
            return len(executions.claim(connection, [execution]))

    with ThreadPoolExecutor(10) as threads:
        assert sum(threads.map(claimed, range(10))) == 1
    assert stands(service, str(execution))["retry_count"] == 0


def test_a_claim_stands_until_another_worker_takes_over(service: DatabaseService) -> None:
    execution = UUID(dropped(service, "AAPL"))
    with service.connection() as connection:
        [first] = executions.claim(connection, [execution]).values()
        assert executions.claim(connection, [execution]) == {}
        assert executions.holds(connection, execution, first.token)
        assert executions.beat(connection, [first]) == set()
        connection.execute("UPDATE backfill_state_persistent SET lease_expires_at = now() - interval '1 s'")
        # Late, but nobody has come meanwhile
        assert executions.holds(connection, execution, first.token)
        [second] = executions.claim(connection, [execution]).values()

        assert not executions.holds(connection, execution, first.token)
        assert executions.beat(connection, [first, second]) == {execution}
        assert executions.finish(connection, [(first, State.FAILED, "late")]) == set()
        assert executions.finish(connection, [(second, State.COMPLETED, None)]) == {execution}
        assert not executions.holds(connection, execution, second.token)
    state = stands(service, str(execution))
    assert (state["status"], state["error_message"], state["retry_count"]) == ("completed", None, 2)


def test_what_a_zombie_brings_is_not_kept(service: DatabaseService) -> None:
    series = kept(service, "AAPL")
    execution = UUID(dropped(service, "AAPL"))
    other = kept(service, "MSFT")
    with service.connection() as connection:
        zombie = executions.claim(connection, [execution])[execution]
        connection.execute("UPDATE backfill_state_persistent SET lease_token = gen_random_uuid()")
    calendar = sessions.calendar(service, "XNYS")
    answers = [answer(each, real(each.instrument.symbol)) for each in (series, other)]

    with pytest.raises(LeaseLost) as lost:
        keep(service, Batch(answers, calendar, steps={series.instrument.number: Step(zombie, 10)}))

    assert lost.value.executions == {execution}
    for table in ("bar", "coverage", "enrichment_fetch_log", "feature_freshness"):
        assert not asked(service, f"SELECT FROM {table}"), table
    attempt = Attempt("polygon", YEARS, error=SourceUnavailable("polygon", "away"))
    with pytest.raises(LeaseLost):
        note(service, series, calendar, attempt, NOW, zombie)
    assert not asked(service, "SELECT FROM coverage")


def test_a_series_that_is_taken_over_in_the_midst_is_left_to_the_other_and_read_no_more(
    service: DatabaseService, vendors: str
) -> None:
    def taken_over(_: Sequence[Piece]) -> AbstractContextManager[Watch]:
        asked(
            service,
            "UPDATE backfill_state_persistent SET lease_token = gen_random_uuid(), lease_expires_at = clock_timestamp()"
            " + interval '2 s' WHERE symbol = 'AAPL' AND retry_count = 0 AND status = 'in_progress' RETURNING id",
        )
        return nullcontext(nobody)

    outcomes = ran(service, at(vendors), wanted(service, "AAPL", "MSFT"), watching=taken_over)

    told = [(str(each.series), each.lost, each.inserted) for each in outcomes]
    assert told == [("AAPL 1d", True, 0), ("MSFT 1d", False, 291), ("AAPL 1d", False, 291)]
    [state] = asked(service, "SELECT * FROM backfill_state_persistent WHERE symbol = 'AAPL'")
    assert (state["status"], state["retry_count"], state["records_inserted"]) == ("completed", 1, 291)


def test_two_runs_at_once_bring_each_series_once(service: DatabaseService, vendors: str) -> None:
    every = wanted(service, "AAPL", "MSFT", "IBM")

    with ThreadPoolExecutor(2) as threads:
        first, second = threads.map(lambda _: ran(service, at(vendors), every), range(2))

    fetches = asked(service, "SELECT symbol, count(*) FROM enrichment_fetch_log GROUP BY 1 ORDER BY 1")
    bars = asked(service, "SELECT count(*) FROM bar")[0]["count"]
    assert sum(each.inserted for each in [*first, *second]) == bars == 3 * 291
    assert sum(each.unchanged for each in [*first, *second]) <= 3 * 10, fetches
    assert {each["status"] for each in asked(service, "SELECT status FROM scheduler_execution_log")} == {"completed"}


def test_a_run_that_is_broken_off_leaves_nothing_under_way(service: DatabaseService, vendors: str) -> None:
    def broken(_: Sequence[Piece]) -> AbstractContextManager[Watch]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ran(service, at(vendors), wanted(service, "AAPL"), watching=broken)

    assert service.get_active_backfill_states() == []
    [run] = service.get_scheduler_execution_history()["executions"]
    assert (run["status"], run["failed_symbols"]) == ("failed", 0)
    assert run["error_message"] == "Ended in the midst of it; the next backfill of the series goes on there"
    assert not asked(service, "SELECT FROM symbol_failure_tracking")


def test_a_killed_run_is_seen_waited_for_and_completed_without_reading_twice(
    service: DatabaseService, vendors: str
) -> None:
    symbols = ("AAPL", "MSFT", "IBM")
    command = [sys.executable, "-m", "tests.runner", service.url, vendors, *symbols]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline().startswith("kept ")
        under_way = {each["symbol"] for each in service.get_active_backfill_states()}
        living = service.get_scheduler_health()["last_execution"]["status"]
        process.kill()
    before = asked(service, "SELECT symbol FROM enrichment_fetch_log")
    asked(
        service,
        "UPDATE backfill_state_persistent SET lease_expires_at = clock_timestamp() - interval '1 s' RETURNING id",
    )

    ran(service, at(vendors), wanted(service, *symbols))

    assert (under_way, living) == (set(symbols), "running")
    assert before
    states = asked(service, "SELECT status, retry_count, records_inserted FROM backfill_state_persistent")
    assert [tuple(each.values()) for each in states] == [("completed", 1, 291)] * 3
    fetches = asked(service, "SELECT symbol FROM enrichment_fetch_log WHERE records_inserted > 0 ORDER BY symbol")
    assert [each["symbol"] for each in fetches] == sorted(symbols)
    assert asked(service, "SELECT count(*) FROM bar")[0]["count"] == 3 * 291


def test_how_far_a_run_is_can_be_seen_beside_the_series(service: DatabaseService) -> None:
    series = kept(service, "AAPL")
    other = kept(service, "MSFT")
    with service.transaction() as connection:
        active = executions.opened(connection, [series, other])
        claims = executions.claim(connection, active.values())
        executions.expect(connection, {active[series]: 1000, active[other]: 0})
        connection.execute("UPDATE backfill_state_persistent SET bars_done = 250 WHERE symbol = 'AAPL'")

    assert [each.progress for each in standings(service, NOW)] == [(250, 1000), None]
    with service.connection() as connection:
        executions.finish(connection, [(claims[active[series]], State.COMPLETED, None)])
    assert [each.progress for each in standings(service, NOW)] == [None, None]


def test_a_computation_that_fails_is_written_down(service: DatabaseService) -> None:
    series = kept(service, "AAPL")

    with pytest.raises(pl.exceptions.ComputeError), recorded(service, [series], {}):
        raise pl.exceptions.ComputeError("no such thing")

    [told] = asked(service, "SELECT * FROM enrichment_compute_log")
    assert (told["symbol"], told["success"], told["features_computed"]) == ("AAPL", False, 0)
    assert told["error_details"] == "ComputeError: no such thing"
