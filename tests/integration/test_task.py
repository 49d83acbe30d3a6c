"""Tasks of a job: what waits is brought together, and what breaks is found alone."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from uuid import UUID

import structlog
from structlog.testing import capture_logs

from barhouse.api import vendor_side
from barhouse.calendar import Calendar
from barhouse.errors import SourceUnavailable, UnknownAtSource
from barhouse.flow import jobs
from barhouse.flow.jobs import Job
from barhouse.flow.plan import Wanted
from barhouse.flow.retries import WAITS
from barhouse.flow.starts import Starts
from barhouse.flow.sweep import detect_data_anomalies
from barhouse.flow.task import perform
from barhouse.flow.track import track
from barhouse.model import Instrument, Series, Span, Timeframe
from barhouse.sources.base import Fetched, Source
from barhouse.sources.polygon import Polygon
from barhouse.store import executions
from barhouse.store.executions import State
from barhouse.store.jobs import Kind, book
from barhouse.store.postgres import Database
from barhouse.store.runs import get_scheduler_execution_history

YEAR = Span(datetime(2012, 1, 1, tzinfo=UTC), datetime(2013, 1, 1, tzinfo=UTC))
SYMBOLS = ("AAPL", "IBM", "MSFT")


class Confused(Polygon):
    """An adapter with a bug: the answers of one symbol are too much for it."""

    async def bars(self, series: Series, span: Span, calendar: Calendar) -> Fetched:
        if series.instrument.symbol == "IBM":
            raise ZeroDivisionError
        return await super().bars(series, span, calendar)


class Moody(Polygon):
    """A vendor that is away for one symbol, comes back for another, and does not know the third."""

    calls = 0

    async def bars(self, series: Series, span: Span, calendar: Calendar) -> Fetched:
        if series.instrument.symbol == "MSFT":
            raise UnknownAtSource("polygon", "it does not know MSFT")
        self.calls += series.instrument.symbol == "IBM"
        if series.instrument.symbol == "AAPL" or self.calls <= 2:
            raise SourceUnavailable("polygon", "it is away")
        return await super().bars(series, span, calendar)


def job_of(db: Database) -> Job:
    series = track(db, [Instrument(symbol) for symbol in SYMBOLS], [Timeframe.D1], YEAR.start)
    return jobs.request(db, Kind.BACKFILL, [Wanted(each, YEAR) for each in series], by="test")


def performed(
    db: Database, sources: Mapping[str, Source], *executions: str, waits: Sequence[float] = ()
) -> list[ZeroDivisionError]:
    """Do tasks as a worker does, one after the other; what they ended with where that is an error."""

    async def each() -> list[ZeroDivisionError]:
        errors = []
        starts = Starts(2)
        for execution in executions:
            try:
                await perform(db, sources, UUID(execution), starts, waits)
            except ZeroDivisionError as error:
                errors.append(error)
        return errors

    return asyncio.run(each())


def states(db: Database, job: Job) -> dict[str, str]:
    return {task["symbol"]: task["status"] for task in jobs.job(db, job["job_id"])["tasks"]}


def test_a_task_takes_those_with_it_that_wait_behind_it_in_its_job(db: Database) -> None:
    with vendor_side.running() as vendors:
        sources = {"polygon": Polygon(vendors, "k")}
        job = job_of(db)
        first, *_ = sorted(job["tasks"], key=lambda task: SYMBOLS.index(task["symbol"]))
        performed(db, sources, first["execution_id"])

    assert states(db, job) == dict.fromkeys(SYMBOLS, "completed")
    assert jobs.job(db, job["job_id"])["status"] == "completed"


def test_one_that_breaks_fails_alone_and_the_others_are_brought(db: Database) -> None:
    with vendor_side.running() as vendors:
        sources = {"polygon": Confused(vendors, "k")}
        job = job_of(db)
        errors = performed(db, sources, *(task["execution_id"] for task in job["tasks"]))

    assert len(errors) == 1
    assert states(db, job) == {"AAPL": "completed", "IBM": "failed", "MSFT": "completed"}


def test_bars_that_cannot_be_judged_are_kept_and_told_of_until_they_can(db: Database) -> None:
    with vendor_side.running() as vendors:
        sources = {"polygon": Polygon(vendors, "k")}
        job = job_of(db)
        with db.connection() as connection:
            connection.execute("ALTER TABLE data_quality_metrics RENAME TO away")
        performed(db, sources, job["tasks"][0]["execution_id"])
    told = open_failures(db)
    with db.connection() as connection:
        connection.execute("ALTER TABLE away RENAME TO data_quality_metrics")
    detect_data_anomalies(db)

    assert states(db, job) == dict.fromkeys(SYMBOLS, "completed")
    assert sorted(told) == sorted(SYMBOLS)
    assert open_failures(db) == []


def open_failures(db: Database) -> list[str]:
    found = db.frame(
        b"SELECT symbol FROM data_anomalies WHERE (anomaly_type, resolution_status) = ('failed_check', 'open')"
    )
    return found["symbol"].to_list()


def test_what_failed_in_passing_is_tried_again_and_what_no_try_can_mend_is_not(db: Database) -> None:
    with vendor_side.running() as vendors:
        sources = {"polygon": Moody(vendors, "k")}
        job = job_of(db)
        structlog.reset_defaults()  # a command that an earlier test ran may have said how much is logged
        with capture_logs() as logged:
            performed(db, sources, job["tasks"][0]["execution_id"], waits=(0.05, 0.1, 0.2))

    told = {task["symbol"]: task for task in jobs.job(db, job["job_id"])["tasks"]}
    assert WAITS == (2, 4, 8)
    assert {symbol: (task["status"], task["retry_count"]) for symbol, task in told.items()} == {
        "AAPL": ("failed", 3),
        "IBM": ("completed", 2),
        "MSFT": ("failed", 0),
    }
    assert jobs.job(db, job["job_id"])["retried"] == 5
    assert told["AAPL"]["error_message"].endswith("polygon: it is away")
    said = Counter((each["event"], each["series"].split()[0]) for each in logged if "series" in each)
    assert (said["enrichment_retry", "AAPL"], said["enrichment_failed", "AAPL"]) == (3, 1)
    assert (said["enrichment_retry", "IBM"], said["enrichment_completed", "IBM"]) == (2, 1)
    assert (said["enrichment_failed", "MSFT"], said["enrichment_completed", "MSFT"]) == (1, 0)


def test_a_failure_that_two_jobs_share_counts_once(db: Database) -> None:
    series = track(db, [Instrument(symbol) for symbol in SYMBOLS], [Timeframe.D1], YEAR.start)
    wanted = [Wanted(each, YEAR) for each in series]
    first = jobs.request(db, Kind.BACKFILL, wanted[:1], by="test")
    execution = UUID(first["tasks"][0]["execution_id"])
    with db.transaction() as connection:
        claims = executions.claim(connection, [execution])
    # The second one is asked for while the first one ends, whose books cannot see it yet
    with db.transaction() as late:
        second = jobs.requested(late, Kind.BACKFILL, wanted, by="test")
        with db.transaction() as connection:
            executions.finish(connection, [(claims[execution], State.FAILED, "it is away")])
            book(connection, [execution])
    with db.transaction() as connection:
        others = [UUID(task["execution_id"]) for task in second["tasks"] if task["execution_id"] != str(execution)]
        ends = executions.claim(connection, others).values()
        executions.finish(connection, [(each, State.COMPLETED, None) for each in ends])
        book(connection, others)

    with db.connection() as connection:
        counted = connection.execute("SELECT symbol, consecutive_failures FROM symbol_failure_tracking ORDER BY 1")
        assert counted.fetchall() == [("AAPL", 1), ("IBM", 0), ("MSFT", 0)]
    assert [jobs.job(db, each["job_id"])["status"] for each in (first, second)] == ["failed", "failed"]


def test_the_records_of_a_run_are_those_of_all_workers_that_were_at_a_series(db: Database) -> None:
    job = job_of(db)
    execution = UUID(next(task["execution_id"] for task in job["tasks"] if task["symbol"] == "AAPL"))
    with db.transaction() as connection:
        executions.claim(connection, [execution], owner="dead")
    with db.transaction() as connection:
        connection.execute(
            "INSERT INTO enrichment_fetch_log (symbol, asset_class, timeframe, source, records_fetched, success, "
            "job_id) VALUES ('AAPL', 'stock', '1d', 'polygon', 1000, true, %s)",
            [job["job_id"]],
        )
        connection.execute("UPDATE backfill_state_persistent SET lease_expires_at = now() WHERE owner = 'dead'")
    with vendor_side.running() as vendors:
        performed(db, {"polygon": Polygon(vendors, "k")}, *(task["execution_id"] for task in job["tasks"]))

    ended = jobs.job(db, job["job_id"])
    [run] = get_scheduler_execution_history(db)["executions"]
    assert (ended["status"], ended["retried"]) == ("completed", 1)
    assert run["total_records_processed"] == 1000 + ended["records_inserted"]


def test_series_start_apart_and_no_more_at_once_than_allowed_even_when_that_changes() -> None:
    async def each() -> tuple[list[float], list[int]]:
        starts, began, now, most = Starts(1, 0.05), list[float](), 0, [0, 0]

        async def one(number: int) -> None:
            nonlocal now
            async with starts:
                began.append(time.monotonic())
                now += 1
                most[number > 2] = max(most[number > 2], now)
                await asyncio.sleep(0.12)
                now -= 1

        await asyncio.gather(*map(one, range(3)))
        starts.most = 3
        await asyncio.gather(*map(one, range(3, 9)))
        return began, most

    asked = time.monotonic()
    began, most = asyncio.run(each())

    assert most == [1, 3]
    assert all(start - asked >= 0.05 * place - 0.001 for place, start in enumerate(began))
