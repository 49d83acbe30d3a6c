"""Workers as real processes: what jobs ask for is done once, whoever dies in the midst of it."""

from __future__ import annotations

import time
from contextlib import ExitStack
from importlib.resources import files
from typing import Any

import pytest

from barhouse import DatabaseService
from barhouse.api import vendor_side
from barhouse.config import Settings
from barhouse.flow import jobs
from barhouse.flow.task import recover
from barhouse.scheduler.worker import working
from barhouse.store.executions import LEASE
from barhouse.store.jobs import Kind
from barhouse.store.postgres import Database
from tests.integration.embedded_servers import REPOSITORY
from tests.workers import BARS, asked, done, through, until, wanted, worker

MIGRATION = REPOSITORY / "database" / "migrations" / "023_queue.sql"


def test_the_schema_of_the_queue_is_that_of_the_installed_library() -> None:
    shipped = (files("procrastinate") / "sql" / "schema.sql").read_text(encoding="utf-8")

    ours = MIGRATION.read_text(encoding="utf-8").split("$procrastinate$")[1].removeprefix("\n")

    assert ours == shipped


def test_two_workers_share_a_job_and_its_books_are_those_of_one_run(service: DatabaseService) -> None:
    symbols = ("AAPL", "IBM", "MSFT", "NOPE")
    with vendor_side.running() as vendors, ExitStack() as stack:
        job = jobs.request(service, Kind.ENRICHMENT, wanted(service, *symbols), by="test")
        for _ in range(2):
            stack.enter_context(worker(service.url, vendors))
        ended = until(through(service, job["job_id"]))
        until(lambda: not asked(service, "SELECT FROM barhouse_queue.procrastinate_jobs"))

    assert (job["status"], job["total"]) == ("queued", 4)
    assert (ended["status"], ended["successful"], ended["failed"], ended["progress"]) == ("failed", 3, 1, 100.0)
    of_symbol = {task["symbol"]: task for task in ended["tasks"]}
    assert [of_symbol[symbol]["records_inserted"] for symbol in symbols] == [BARS, BARS, BARS, 0]
    assert "NOPE" in of_symbol["NOPE"]["error_message"]
    [run] = service.get_scheduler_execution_history()["executions"]
    assert (run["status"], run["successful_symbols"], run["failed_symbols"]) == ("completed_with_errors", 3, 1)
    assert run["total_records_processed"] == 3 * BARS
    failures = asked(service, "SELECT symbol, consecutive_failures FROM symbol_failure_tracking ORDER BY symbol")
    assert [tuple(each.values()) for each in failures] == [("AAPL", 0), ("IBM", 0), ("MSFT", 0), ("NOPE", 1)]


def test_another_worker_takes_over_from_a_killed_one_and_nothing_is_read_twice(service: DatabaseService) -> None:
    with vendor_side.running(faults="latency seconds=0.7") as vendors, ExitStack() as stack:
        job = jobs.request(service, Kind.BACKFILL, wanted(service, "AAPL", "IBM", "MSFT"), by="test")
        first = stack.enter_context(worker(service.url, vendors))
        before = until(lambda: asked(service, "SELECT * FROM backfill_state_persistent WHERE status = 'in_progress'"))
        first.kill()
        stack.enter_context(worker(service.url, vendors))
        ended = until(through(service, job["job_id"]))

    after = {each["execution_id"]: each for each in ended["tasks"]}
    assert ended["status"] == "completed"
    assert len(after) == 3
    assert all(after[str(each["execution_id"])]["retry_count"] == 1 for each in before)
    assert [each["records_inserted"] for each in ended["tasks"]] == [BARS] * 3
    assert asked(service, "SELECT count(*) FROM bar") == [{"count": 3 * BARS}]
    fetches = asked(service, "SELECT symbol FROM enrichment_fetch_log WHERE records_inserted > 0 ORDER BY symbol")
    assert [each["symbol"] for each in fetches] == ["AAPL", "IBM", "MSFT"]
    [run] = service.get_scheduler_execution_history()["executions"]
    assert asked(service, "SELECT sum(records_fetched) FROM enrichment_fetch_log WHERE success") == [
        {"sum": run["total_records_processed"]}
    ]


def test_a_worker_that_is_told_to_stop_gives_its_tasks_back(service: DatabaseService) -> None:
    with vendor_side.running(faults="latency seconds=30") as vendors:
        job = jobs.request(service, Kind.BACKFILL, wanted(service, "AAPL"), by="test")
        with worker(service.url, vendors):
            until(lambda: jobs.job(service, job["job_id"])["running"])
        told = jobs.job(service, job["job_id"])

    assert (told["status"], told["tasks"][0]["retry_count"]) == ("queued", 0)


def test_a_worker_takes_up_more_tasks_at_a_time_once_more_may_start(database_url: str) -> None:
    symbols = ("AAPL", "IBM", "MSFT", "GOOG")
    with vendor_side.running(faults="latency seconds=3") as vendors, DatabaseService(database_url) as service:
        told = {"polygon_api_key": "k", "polygon_calls_per_minute": 0, "max_concurrent_symbols": 1}
        places = {f"{name}_url": vendors for name in ("polygon", "yahoo", "binance")}
        with working(service, Settings.model_validate({"database_url": database_url} | told | places)) as starts:
            each = [jobs.request(service, Kind.BACKFILL, wanted(service, symbol), by="test") for symbol in symbols]
            until(lambda: _running(service, each) == 1)
            starts.most = 4
            until(lambda: _running(service, each) > 2)
            ends = [until(through(service, job["job_id"])) for job in each]

    assert [end["status"] for end in ends] == ["completed"] * 4


def _running(service: DatabaseService, every: list[dict[str, Any]]) -> int:
    return sum(jobs.job(service, job["job_id"])["running"] for job in every)


def test_a_task_that_is_delivered_again_finds_its_work_done_and_writes_nothing(service: DatabaseService) -> None:
    with vendor_side.running() as vendors:
        job = jobs.request(service, Kind.BACKFILL, wanted(service, "AAPL"), by="test")
        with worker(service.url, vendors):
            done = until(through(service, job["job_id"]))
            until(lambda: not asked(service, "SELECT FROM barhouse_queue.procrastinate_jobs"))
            before = _everything(service)
            asked(service, _AGAIN.format(done["tasks"][0]["execution_id"]))
            until(lambda: not asked(service, "SELECT FROM barhouse_queue.procrastinate_jobs"))
            after = _everything(service)

    assert before == after
    assert done["status"] == "completed"


_AGAIN = """
    SELECT barhouse_queue.procrastinate_defer_jobs_v1(ARRAY[ROW ('barhouse', 'bring', 0, NULL, NULL,
        jsonb_build_object('execution', '{}'), NULL)::barhouse_queue.procrastinate_job_to_defer_v1])
"""


def _everything(db: DatabaseService) -> list[list[dict[str, Any]]]:
    tables: tuple[str, ...] = ("backfill_state_persistent", "scheduler_execution_log", "series", "bar", "coverage")
    tables += ("enrichment_fetch_log", "symbol_failure_tracking", "job", "job_task", "backfill_state")
    return [asked(db, f"SELECT *, xmin::text AS version FROM {table} ORDER BY 1, 2, 3") for table in tables]


def test_a_task_whose_receipt_was_lost_does_not_stay_with_a_worker_that_lives(
    service: DatabaseService, capfd: pytest.CaptureFixture[str]
) -> None:
    with vendor_side.running() as vendors, worker(service.url, vendors):
        done(service, _LOSING)
        job = jobs.request(service, Kind.BACKFILL, wanted(service, "AAPL"), by="test")
        until(through(service, job["job_id"]))
        until(lambda: asked(service, "SELECT FROM barhouse_queue.lost"))
        left = asked(service, "SELECT status::text FROM barhouse_queue.procrastinate_jobs")
        done(service, _LONG_AGO)
        until(lambda: not asked(service, "SELECT FROM barhouse_queue.procrastinate_jobs"))

    assert left == [{"status": "doing"}]
    told = capfd.readouterr().err
    assert "receipt_lost" in told
    assert "Traceback" not in told


_LOSING = """
    CREATE SEQUENCE barhouse_queue.tried;
    CREATE VIEW barhouse_queue.lost AS SELECT FROM barhouse_queue.tried WHERE is_called;
    CREATE FUNCTION barhouse_queue.lose() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN PERFORM nextval('barhouse_queue.tried'); RAISE disk_full; END $$;
    CREATE TRIGGER lose BEFORE DELETE ON barhouse_queue.procrastinate_jobs
        FOR EACH ROW EXECUTE FUNCTION barhouse_queue.lose();
"""
_LONG_AGO = """
    DROP TRIGGER lose ON barhouse_queue.procrastinate_jobs;
    UPDATE barhouse_queue.procrastinate_events SET at = at - interval '1 hour';
"""


def test_a_worker_that_is_told_to_stop_while_it_begins_ends(database_url: str) -> None:
    with Database(database_url) as db:
        for moment in (0.0, 0.02, 0.05, 0.1):
            begun = time.monotonic()
            with working(db, Settings.model_validate({"database_url": database_url})):
                time.sleep(moment)
            assert time.monotonic() - begun < 60


def test_what_a_dead_worker_left_goes_before_what_waits(service: DatabaseService) -> None:
    jobs.request(service, Kind.BACKFILL, wanted(service, "AAPL", "IBM"), by="test")
    asked(service, "DELETE FROM barhouse_queue.procrastinate_jobs RETURNING id")
    asked(
        service,
        "UPDATE backfill_state_persistent SET status = 'in_progress', lease_expires_at = now() - interval '1 s' "
        "WHERE symbol = 'IBM' RETURNING id",
    )

    recover(service, LEASE)

    first, *_ = asked(service, "SELECT args FROM barhouse_queue.procrastinate_jobs ORDER BY priority DESC, id")
    left = asked(service, "SELECT execution_id::text AS id FROM backfill_state_persistent WHERE symbol = 'IBM'")
    assert first["args"]["execution"] == left[0]["id"]
