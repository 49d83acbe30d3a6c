"""`barhouse schedule`: what comes when, and how people hold it."""

from __future__ import annotations

from datetime import UTC, datetime

from barhouse.flow import jobs, scheduling
from barhouse.flow.track import track
from barhouse.model import Instrument, Timeframe
from barhouse.store.postgres import Database
from tests.contract.cli.conftest import Barhouse


def test_a_schedule_is_run_paused_and_resumed_though_nobody_leads(barhouse: Barhouse, db: Database) -> None:
    track(db, [Instrument("AAPL")], [Timeframe.D1], datetime(2012, 1, 1, tzinfo=UTC))

    ran = barhouse("schedule", "run", "backfill").stdout
    paused = barhouse("schedule", "pause", "enrichment").stdout
    held = scheduling.is_paused(scheduling.standing(db))
    resumed = barhouse("schedule", "resume", "enrichment").stdout

    [job] = jobs.recent(db)
    assert (job["kind"], job["requested_by"], job["total"]) == ("backfill", "schedule:backfill", 1)
    assert job["job_id"] in ran.replace("\n", "")
    assert "nobody" in ran
    assert held
    assert paused.count("paused by") == 2  # large is off
    assert "paused by" not in resumed
    assert barhouse("schedule", "pause", "nap").exit_code == 2
