"""What schedules ask for when they fire: of whom, when, in which order, and of which process they are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from barhouse.config import Settings
from barhouse.flow import jobs, scheduling
from barhouse.flow.scheduling import Timetable, timetable, wanted_by
from barhouse.flow.track import track
from barhouse.model import AssetClass, Instrument, Timeframe
from barhouse.scheduler.clock import ticking
from barhouse.store import schedules
from barhouse.store.postgres import Database
from barhouse.store.schedules import Due, Name
from tests.integration.test_outdated import migrate_further
from tests.workers import until

SINCE = datetime(2024, 1, 1, tzinfo=UTC)
FRAMES = [Timeframe.M5, Timeframe.H1, Timeframe.H4, Timeframe.D1]
MORNING = datetime(2024, 3, 8, 1, 30, tzinfo=UTC)


def table_of(**settings: object) -> Timetable:
    return timetable(Settings.model_validate(settings))


def asked_for(db: Database, table: Timetable, name: Name, now: datetime) -> list[str]:
    return [str(each.series) for each in wanted_by(db, table, name, now)]


def fired(db: Database, table: Timetable, now: datetime) -> list[str]:
    """The schedules that fire at an instant, as the leader lets them."""
    with db.connection() as connection:
        due = schedules.due(connection, now)
    return [each.name for each in due if scheduling.fire(db, table, each, now, by="test")]


def arranged(db: Database, table: Timetable, now: datetime) -> None:
    with db.transaction() as connection:
        schedules.arrange(connection, table.arranged(now), table.classes, now)


def test_without_a_backfill_enrichment_comes_at_half_past_one(db: Database) -> None:
    track(db, [Instrument("AAPL")], [Timeframe.D1], SINCE)
    alone = table_of(backfill_enabled=False)
    arranged(db, alone, MORNING - timedelta(hours=1))
    coming = scheduling.standing(db).named(Name.ENRICHMENT)

    early = fired(db, alone, MORNING - timedelta(seconds=1))
    at_its_time = fired(db, alone, MORNING)
    again = fired(db, alone, MORNING + timedelta(seconds=1))

    assert coming and (coming.next_fire_at, coming.follows) == (MORNING, None)
    assert [Name.ENRICHMENT in each for each in (early, at_its_time, again)] == [False, True, False]
    [job] = [each for each in jobs.recent(db) if each["requested_by"] == "schedule:enrichment"]
    assert (job["kind"], job["total"]) == ("enrichment", 1)
    after = scheduling.standing(db).named(Name.ENRICHMENT)
    assert after and after.next_fire_at == MORNING + timedelta(days=1)


def test_the_classes_are_refreshed_while_their_market_is_open_and_only_short_bars(db: Database) -> None:
    track(db, [Instrument("SPY", AssetClass.ETF), Instrument("AAPL"), Instrument("F")], FRAMES, SINCE)
    track(db, [Instrument("BTC", AssetClass.CRYPTO, "24/7")], FRAMES, SINCE)
    table = table_of(critical_symbols=["SPY", "BTC"], large_symbols=["AAPL", "SPY"])
    friday, night, sunday = (datetime(2024, 3, *at, tzinfo=UTC) for at in ((8, 16), (8, 8), (10, 16)))

    assert asked_for(db, table, Name.CRITICAL, friday) == ["BTC 5m", "BTC 1h", "SPY 5m", "SPY 1h"]
    assert asked_for(db, table, Name.CRITICAL, night) == ["BTC 5m", "BTC 1h"]
    assert asked_for(db, table, Name.CRITICAL, sunday) == ["BTC 5m", "BTC 1h"]
    assert asked_for(db, table, Name.LARGE, friday) == ["AAPL 5m", "AAPL 1h", "AAPL 4h"]
    # The session ended at 21:00Z: who asks every four hours has something new at midnight, and nothing at 04:00
    assert asked_for(db, table, Name.LARGE, datetime(2024, 3, 9, tzinfo=UTC)) == ["AAPL 5m", "AAPL 1h", "AAPL 4h"]
    assert asked_for(db, table, Name.LARGE, datetime(2024, 3, 9, 4, tzinfo=UTC)) == []
    assert len(asked_for(db, table, Name.BACKFILL, sunday)) == 16


def test_critical_symbols_go_first_and_large_ones_before_others(db: Database) -> None:
    table = table_of(critical_symbols=["ZM"], large_symbols=["MSFT"])
    track(db, [Instrument(symbol) for symbol in ("AAPL", "MSFT", "ZM")], [Timeframe.D1], SINCE)
    arranged(db, table, MORNING)

    scheduling.run_now(db, table, Name.BACKFILL, by="test")

    with db.connection() as connection:
        waiting = connection.execute(
            "SELECT symbol FROM barhouse_queue.procrastinate_jobs q JOIN backfill_state_persistent e "
            "ON q.queueing_lock = e.execution_id::text ORDER BY q.priority DESC, q.id"
        ).fetchall()
    assert waiting == [("ZM",), ("MSFT",), ("AAPL",)]


def test_a_schedule_that_fires_while_its_job_goes_on_shares_that_one(db: Database) -> None:
    track(db, [Instrument("AAPL")], [Timeframe.D1], SINCE)
    table = table_of(enrichment_enabled=False)
    arranged(db, table, MORNING)

    for days in (0, 1):
        assert Name.BACKFILL in fired(db, table, MORNING + timedelta(days=days, hours=1))

    backfill = scheduling.standing(db).named(Name.BACKFILL)
    [job] = jobs.recent(db)
    assert backfill and (backfill.fired, backfill.job_id) == (2, job["job_id"])
    assert backfill.last_result == {"outcome": "shared", "series": 1}


def test_of_two_leaders_that_see_the_same_time_one_fires(db: Database) -> None:
    track(db, [Instrument("AAPL")], [Timeframe.D1], SINCE)
    table = table_of()
    arranged(db, table, MORNING)
    now = MORNING + timedelta(hours=1)
    with db.connection() as connection:
        due: list[Due] = [each for each in schedules.due(connection, now) if each.name is Name.BACKFILL]

    assert [scheduling.fire(db, table, due[0], now, by=owner) for owner in ("one", "other")] == [True, False]


@contextmanager
def clock_of(db: Database) -> Iterator[None]:
    settings = Settings.model_validate({"database_url": db.url, "health_enabled": False})
    with ticking(db, settings, timetable(settings)):
        yield


def test_a_leader_that_is_older_than_the_schema_lets_go_and_fires_nothing(
    db: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    track(db, [Instrument("AAPL")], [Timeframe.D1], SINCE)
    with clock_of(db):
        until(lambda: scheduling.standing(db).running)
        migrate_further(db.url)
        until(lambda: not scheduling.standing(db).running, 15)
        with db.connection() as connection:
            connection.execute("UPDATE schedule SET next_fire_at = now() WHERE name = 'backfill'")
            # Nobody holds the lock any more: a newer process leads at once
            assert schedules.lead(connection, "newer", {})

    assert jobs.recent(db) == []
    assert "999_moons.sql" in "".join(capsys.readouterr())
