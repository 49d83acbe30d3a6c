"""A day of the running system against the vendor side: then each number that it serves is derived anew from the books.

Nothing here trusts the code that serves: expected are plain questions to the tables, and what the vendor side counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import polars as pl
import pytest
from fastapi.testclient import TestClient

from barhouse import DatabaseService
from barhouse.api import vendor_side
from barhouse.api.compat.frames import FrameShelf
from barhouse.calendar import Calendar
from barhouse.config import Settings
from barhouse.flow import sessions
from barhouse.flow.health import health_run
from barhouse.flow.scheduling import timetable
from barhouse.flow.track import track
from barhouse.model import AssetClass, Instrument, Timeframe
from barhouse.scheduler.clock import Clock, ticking
from tests.contract.test_api import client
from tests.servers import Server
from tests.workers import asked, until, worker

TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
START = TODAY - timedelta(days=60)
LATER = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(hours=12)
"""When the daily backfill comes."""

STOCKS, COIN = ("AAPL", "MSFT"), "BTC"
HERE = "/api/v1/enrichment"
LOST, CROSSED = 5, 8
"""Sessions before today of which MSFT has no bar, and one whose high is below its low."""


class Shelf(FrameShelf):
    """Bars that are told otherwise later: the newest of each stock with a hundred more shares traded."""

    restated = False

    def bars(
        self,
        symbol: str,
        asset_class: AssetClass,
        timeframe: Timeframe,
        start: datetime,
        end: datetime,
        most: int | None = None,
    ) -> pl.DataFrame | None:
        """What the vendors have by now."""
        told = super().bars(symbol, asset_class, timeframe, start, end, most)
        if told is None or not self.restated or asset_class is not AssetClass.STOCK:
            return told
        newest = super().bars(symbol, asset_class, timeframe, START, datetime.now(UTC))
        assert newest is not None
        is_newest = pl.col("time") == newest["time"][-1]
        return told.with_columns(volume=pl.col("volume") + pl.when(is_newest).then(100.0).otherwise(0.0))


def shelf(calendar: Calendar) -> Shelf:
    days = calendar.sessions.filter(pl.col("date").is_between(START.date(), TODAY.date() - timedelta(days=1)))
    times = days["date"].cast(pl.Datetime("us", "UTC"))
    hours = pl.datetime_range(START, datetime.now(UTC), "1h", time_zone="UTC", eager=True, closed="left")
    own = {symbol: walked(times) for symbol in STOCKS}
    lost, crossed = times[-LOST], times[-CROSSED]
    at_fault = pl.col("time") == crossed
    own["MSFT"] = (
        own["MSFT"]
        .filter(pl.col("time") != lost)
        .with_columns(high=pl.when(at_fault).then(pl.col("low") - 1).otherwise("high"))
    )
    frames = {(symbol, AssetClass.STOCK, Timeframe.D1): bars for symbol, bars in own.items()}
    return Shelf(frames | {("BTCUSDT", AssetClass.CRYPTO, Timeframe.H1): walked(hours)})


def walked(times: pl.Series) -> pl.DataFrame:
    """Bars at these times whose price goes up and down a little."""
    close = 100 + (pl.int_range(pl.len()) * 7 % 11) / 10
    return times.to_frame("time").select(
        "time", open=close - 0.1, high=close + 0.5, low=close - 0.5, close=close, volume=1000.0 + pl.int_range(pl.len())
    )


@dataclass(frozen=True)
class Day:
    """What was done, and what the vendors counted."""

    service: DatabaseService
    api: TestClient
    jobs: dict[str, dict[str, Any]]
    calls: dict[str, int]

    def get(self, path: str, **parameters: Any) -> Any:
        """An answer of the API."""
        response = self.api.get(f"/api/v1/{path}", params=parameters)
        assert response.status_code == 200, response.text
        return response.json()

    def one(self, question: str) -> Any:
        """The only value of the only row."""
        [row] = asked(self.service, question)
        [value] = row.values()
        return value


@pytest.fixture(scope="module")
def day(server: Server) -> Iterator[Day]:
    with server.database() as url, DatabaseService(url) as service, client(url) as api, ExitStack() as stack:
        wares = shelf(sessions.calendar(service, "XNYS"))
        track(service, [Instrument(symbol) for symbol in STOCKS], [Timeframe.D1], START)
        track(service, [Instrument(COIN, AssetClass.CRYPTO)], [Timeframe.H1], START)
        stack.enter_context(leading(service))
        with vendor_side.served(vendor_side.create(wares)) as vendors, worker(url, vendors):
            jobs = {"backfill": done(api, "backfill", symbols=list(STOCKS), start=START.isoformat())}
            wares.restated = True
            jobs["enrichment"] = done(api, "enrichment/trigger")
            jobs["unknown"] = done(api, "enrichment/trigger", symbol="NOPE")
            until(lambda: not asked(service, "SELECT FROM barhouse_queue.procrastinate_jobs"))
            calls = httpx.get(f"{vendors}/vendor-side/calls").json()
        health_run(service)
        yield Day(service, api, jobs, calls)


def leading(service: DatabaseService) -> AbstractContextManager[Clock]:
    """A leader of the schedules, of which none comes before the test is over."""
    off = {"critical_symbols": (), "health_enabled": False}
    settings = Settings.model_validate({"database_url": service.url, "backfill_schedule_hour": LATER.hour, **off})
    return ticking(service, settings, timetable(settings))


def done(api: TestClient, path: str, **parameters: Any) -> dict[str, Any]:
    """A job that was asked for, at its end."""
    answer = api.post(f"/api/v1/{path}", params=parameters)
    assert answer.status_code == 200, answer.text

    def ended() -> dict[str, Any] | None:
        told: dict[str, Any] = api.get(f"{HERE}/jobs/{answer.json()['job_id']}").json()
        return told if told["status"] in ("completed", "failed") else None

    job: dict[str, Any] = until(ended)
    return job


def test_the_jobs_brought_what_the_vendors_have(day: Day) -> None:
    backfill, enrichment, unknown = (day.jobs[name] for name in ("backfill", "enrichment", "unknown"))

    stored = day.one(
        "SELECT count(*) FROM bar b JOIN instrument i ON i.id = b.instrument WHERE i.asset_class = 'stock'"
    )
    assert (backfill["status"], backfill["records_inserted"]) == ("completed", stored)
    assert day.one("SELECT count(*) FROM quarantine") >= 1
    assert enrichment["status"] == "completed"
    assert enrichment["records_inserted"] == day.one("SELECT count(*) FROM bar") - stored
    assert (unknown["status"], unknown["successful"], unknown["failed"]) == ("failed", 0, 1)
    assert unknown["tasks"][0]["error_message"].startswith("No source knows NOPE")
    assert day.one("SELECT count(*) FROM job WHERE kind = 'enrichment'") == 2


def test_each_symbol_is_told_as_its_bars_are(day: Day) -> None:
    for symbol, kind, frame in (("AAPL", "stock", "1d"), ("MSFT", "stock", "1d"), ("BTC", "crypto", "1h")):
        told = day.get(f"enrichment/status/{symbol}")

        [held] = asked(
            day.service,
            f"""SELECT count(*) AS bars, avg(quality_score) AS score, max(time) AS newest,
                       round(100.0 * sum(validated::int) / count(*), 2)::float AS rate
                FROM market_data WHERE symbol = '{symbol}' AND NOT forming""",
        )
        assert (told["symbol"], told["asset_class"], told["timeframes_available"]) == (symbol, kind, [frame])
        assert (told["records_available"], told["error_message"]) == (held["bars"], None)
        assert told["quality_score"] == pytest.approx(held["score"])
        assert told["validation_rate"] == held["rate"]
        closes = held["newest"] + (timedelta(hours=1) if frame == "1h" else timedelta(hours=21))
        age = (datetime.fromisoformat(told["timestamp"]) - closes).total_seconds()
        # In summer New York closes at 20:00Z, before holidays at 18:00Z or 17:00Z
        assert told["data_age_seconds"] - age in ((0,) if frame == "1h" else (0, 3600, 3 * 3600, 4 * 3600))
        assert told["status"] == ("healthy" if held["score"] > 0.9 else "warning")
        assert told["last_enrichment_time"] > day.jobs["enrichment"]["created_at"]


def test_an_unknown_symbol_is_told_with_the_reason(day: Day) -> None:
    told = day.get("enrichment/status/NOPE")
    job = day.get("enrichment/dashboard/job-status/NOPE")

    reason = day.jobs["unknown"]["tasks"][0]["error_message"]
    assert (told["status"], told["error_message"], told["records_available"]) == ("error", reason, 0)
    assert (job["status"], job["last_error"]) == ("failed", reason)


def test_the_figures_are_those_of_the_logs_and_of_the_vendors(day: Day) -> None:
    told = day.get("enrichment/metrics")

    [fetches] = asked(
        day.service,
        """SELECT count(*), sum(success::int) AS good, sum(calls) AS calls, avg(source_response_time_ms) AS ms
           FROM enrichment_fetch_log""",
    )
    own = told["fetch_pipeline"]
    assert (own["total_fetches"], own["successful"]) == (fetches["count"], fetches["good"])
    assert 0 < own["success_rate"] == round(100 * fetches["good"] / fetches["count"], 2) < 100
    assert own["avg_response_time_ms"] == pytest.approx(fetches["ms"])
    assert 0 < fetches["calls"] <= sum(day.calls.values())
    told_left = "FROM enrichment_fetch_log WHERE api_quota_remaining IS NOT NULL ORDER BY id DESC LIMIT 1"
    assert own["api_quota_remaining"] == day.one(f"SELECT api_quota_remaining {told_left}") > 0
    [computed] = asked(
        day.service,
        "SELECT count(*), sum(success::int) AS good, avg(computation_time_ms) AS ms FROM enrichment_compute_log",
    )
    own = told["compute_pipeline"]
    assert (own["total_computations"], own["successful"]) == (computed["count"], computed["good"])
    assert (own["success_rate"], own["avg_computation_time_ms"]) == (100, pytest.approx(computed["ms"]))
    assert computed["count"] >= 3
    assert told["backfill_progress"] == {"in_progress": 0, "completed": 3, "failed": 1, "pending": 0}
    dashboard = day.get("enrichment/dashboard/metrics")
    del told["backfill_progress"], told["timestamp"], dashboard["timestamp"]
    assert dashboard == told


@pytest.mark.parametrize("log", ["fetch", "compute"])
def test_what_was_fetched_and_computed_stands_under_the_job_that_wanted_it(day: Day, log: str) -> None:
    wanted = {name: job["job_id"] for name, job in day.jobs.items()}

    rows = asked(
        day.service, f"SELECT symbol, job_id::text AS job, min(created_at) FROM enrichment_{log}_log GROUP BY 1, 2"
    )

    of_symbol = {symbol: [row["job"] for row in rows if row["symbol"] == symbol] for symbol in (*STOCKS, COIN)}
    assert of_symbol[COIN] == [wanted["enrichment"]]
    assert {job for symbol in STOCKS for job in of_symbol[symbol]} == {wanted["backfill"], wanted["enrichment"]}
    assert all(row["job"] in wanted.values() for row in rows)


def test_the_quality_of_the_week_is_that_of_its_days(day: Day) -> None:
    told = day.get("enrichment/metrics")["data_quality"]

    week = [
        each
        for each in asked(day.service, "SELECT * FROM data_quality_metrics")
        if each["metric_date"] > TODAY.date() - timedelta(days=7)
    ]
    records = sum(each["total_records"] for each in week)
    score = sum(each["avg_quality_score"] * each["total_records"] for each in week) / records
    validated = sum(each["validated_records"] for each in week)
    assert told["symbols_tracked"] == day.one("SELECT count(DISTINCT instrument) FROM series WHERE tracked") == 4
    assert told["avg_validation_rate"] == round(100 * validated / records, 2)
    assert told["avg_quality_score"] == pytest.approx(score, abs=1e-4)
    msft = day.get("data/quality/MSFT", days=30)
    gaps = day.one("SELECT sum(gaps_detected) FROM data_quality_metrics WHERE symbol = 'MSFT'")
    assert msft["summary"]["total_gaps_detected"] == gaps >= 1
    assert 0 < msft["summary"]["avg_validation_rate"] < 100


def test_the_history_is_that_of_the_jobs(day: Day) -> None:
    told = day.get("enrichment/history")

    unknown, enrichment = told["jobs"]
    assert told["count"] == 2
    assert unknown["job_id"] == day.jobs["unknown"]["job_id"]
    assert (unknown["status"], unknown["successful"], unknown["failed"]) == ("failed", 0, 1)
    assert (enrichment["status"], enrichment["successful"], enrichment["failed"]) == ("completed", 3, 0)
    assert enrichment["total_records_inserted"] == day.jobs["enrichment"]["records_inserted"] > 0
    # The newest bar of each stock was restated meanwhile
    restated = day.one('SELECT count(DISTINCT (symbol, "timestamp")) FROM data_corrections')
    updated = day.one("SELECT sum(records_updated) FROM enrichment_fetch_log")
    assert restated == len(STOCKS)
    assert len(STOCKS) <= enrichment["total_records_updated"] == updated
    took = datetime.fromisoformat(enrichment["completed_at"]) - datetime.fromisoformat(enrichment["started_at"])
    assert enrichment["duration_seconds"] == pytest.approx(took.total_seconds(), abs=1e-3)


def test_the_dashboard_shows_the_last_job_and_what_failed(day: Day) -> None:
    told = day.get("enrichment/dashboard/overview")
    health = day.get("enrichment/dashboard/health")

    last = day.get("enrichment/history")["jobs"][0]
    assert told["last_job"] == {name: last[name] for name in told["last_job"]}
    assert told["scheduler"]["last_enrichment_time"] == health["last_enrichment_time"] == last["completed_at"]
    assert told["scheduler"]["running"] is health["scheduler_running"] is True
    following = f"{LATER:%Y-%m-%dT%H:%M:%S}Z"
    assert (
        told["scheduler"]["next_enrichment_time"] == day.get("enrichment/status/AAPL")["next_enrichment"] == following
    )
    assert health["config"] == {
        "enrichment_hour": 1,
        "enrichment_minute": 30,
        "enable_daily_enrichment": True,
        "follows_backfill": True,
        "max_concurrent_symbols": 3,
        "paused": False,
    }
    assert told["job_queue"] == []
    [failed] = told["processing_symbols"]
    assert (failed["symbol"], failed["status"]) == ("NOPE", "failed")
    assert (health["health_status"], health["failed_symbols"], len(health["issues"])) == ("warning", 1, 1)
    for symbol in STOCKS:
        job = day.get(f"enrichment/dashboard/job-status/{symbol}")
        own = next(task for task in day.jobs["enrichment"]["tasks"] if task["symbol"] == symbol)
        assert (job["status"], job["started_at"]) == ("completed", own["started_at"])
        assert job["completed_at"] == own["completed_at"]


def test_the_schedulers_are_told_as_the_runs_were(day: Day) -> None:
    health = day.get("admin/scheduler-health")
    history = day.get("admin/scheduler/execution-history")["executions"]

    logged = asked(
        day.service,
        """SELECT execution_id::text, status, total_symbols, successful_symbols, failed_symbols, total_records_processed
           FROM scheduler_execution_log ORDER BY started_at DESC""",
    )
    assert [{name: each[name] for name in logged[0]} for each in history] == logged
    assert [each["success_rate"] for each in history] == [0, 100, 100]
    fetched = day.one("SELECT sum(records_fetched) FROM enrichment_fetch_log WHERE success")
    assert sum(each["total_records_processed"] for each in history) == fetched
    assert health["last_execution"]["execution_id"] == logged[0]["execution_id"]
    assert (health["status"], health["stale_features_count"]) == ("degraded", 0)
    assert [each["symbol"] for each in health["recent_failures"]] == ["NOPE"]
    assert health["total_symbols_monitored"] == 4


def test_features_are_as_fresh_as_their_bars(day: Day) -> None:
    told = day.get("admin/features/staleness")

    rows = {each["symbol"]: each for group in told["by_status"].values() for each in group}
    counts = asked(
        day.service,
        """SELECT i.symbol, count(f.time) FROM instrument i LEFT JOIN bar_feature f ON f.instrument = i.id
           GROUP BY i.symbol""",
    )
    assert {symbol: row["data_point_count"] for symbol, row in rows.items()} == {
        each["symbol"]: each["count"] for each in counts
    }
    assert told["summary"] == {
        "fresh_count": 3, "aging_count": 0, "stale_count": 0, "missing_count": 1, "total_monitored": 4,
    }  # fmt: skip
    assert rows["NOPE"]["status"] == "missing"


def test_the_health_run_of_the_day_is_served(day: Day) -> None:
    told = day.get("admin/health")["latest"]

    open_ones = "SELECT count(*) FROM data_anomalies WHERE resolution_status <> 'resolved' AND anomaly_type NOT IN "
    assert told["anomalies_detected"] == day.one(open_ones + "('real_move', 'no_trade')") >= 1
    assert (told["stale_symbols"], told["failed_symbols"]) == (0, 0)
