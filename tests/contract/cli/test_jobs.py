"""`barhouse jobs`: what people see of jobs and do about them."""

from __future__ import annotations

from uuid import uuid4

from barhouse.flow import jobs
from barhouse.flow.plan import Wanted
from barhouse.flow.track import track
from barhouse.model import Instrument, Timeframe
from barhouse.store.jobs import Kind
from barhouse.store.postgres import Database
from tests.contract.cli.conftest import Barhouse
from tests.workers import YEARS


def asked_for(db: Database, *symbols: str) -> str:
    series = track(db, [Instrument(symbol) for symbol in symbols], [Timeframe.D1], YEARS.start)
    return str(jobs.request(db, Kind.BACKFILL, [Wanted(each, YEARS) for each in series], by="test")["job_id"])


def test_a_job_is_listed_shown_cancelled_and_asked_for_again(barhouse: Barhouse, db: Database) -> None:
    assert barhouse("jobs", "list").stdout.startswith("Nothing was asked for yet")
    job = asked_for(db, "AAPL", "IBM")

    listed, shown = barhouse("jobs", "list").stdout, barhouse("jobs", "show", job).stdout
    cancelled = barhouse("jobs", "cancel", job).stdout
    watched = barhouse("jobs", "watch", job)
    again = barhouse("jobs", "retry", job).stdout

    assert job in listed
    assert shown.startswith(f"Job {job}: queued: 0 of 2 series")
    assert cancelled.startswith(f"Job {job}: failed: 2 of 2 series")
    assert cancelled.count("Cancelled") == 2
    assert watched.exit_code == 1
    assert "queued: 0 of 2 series" in again
    assert job not in again


def test_cancelling_leaves_to_other_jobs_what_they_want_too(db: Database) -> None:
    job, other = asked_for(db, "AAPL", "IBM"), asked_for(db, "IBM", "MSFT")

    jobs.cancel(db, job)

    assert [task["status"] for task in jobs.job(db, job)["tasks"]] == ["failed", "queued"]
    assert jobs.job(db, other)["status"] == "queued"


def test_what_cannot_be_done_to_a_job_is_said(barhouse: Barhouse, db: Database) -> None:
    job = asked_for(db, "AAPL")

    assert "Nothing of job" in barhouse("jobs", "retry", job).stderr
    barhouse("jobs", "cancel", job)
    assert "is through already" in barhouse("jobs", "cancel", job).stderr
    for unknown in (uuid4(), "nonsense"):
        told = barhouse("jobs", "show", unknown)
        assert (told.exit_code, f"No job has the id '{unknown}'" in told.stderr) == (2, True)
