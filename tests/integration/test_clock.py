"""Clocks as real processes: one of them fires, whoever dies, and nothing is fired twice or lost."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta

import psycopg
import pytest

from barhouse import DatabaseService
from barhouse.flow import scheduling
from barhouse.store import schedules
from barhouse.store.schedules import Name
from tests.integration.embedded_servers import REPOSITORY
from tests.workers import until

_WITNESS = """
    CREATE TABLE firing (seen timestamptz, following timestamptz, at timestamptz DEFAULT clock_timestamp());
    CREATE FUNCTION witness() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN INSERT INTO firing VALUES (OLD.next_fire_at, NEW.next_fire_at); RETURN NULL; END';
    CREATE TRIGGER witness AFTER UPDATE ON schedule FOR EACH ROW
        WHEN (NEW.name = 'backfill' AND OLD.next_fire_at IS DISTINCT FROM NEW.next_fire_at)
        EXECUTE FUNCTION witness();
"""
"""Every time that a backfill moved on, whoever moved it."""


@pytest.fixture
def service(database_url: str) -> Iterator[DatabaseService]:
    with DatabaseService(database_url) as service:
        with service.connection() as connection:
            connection.execute(_WITNESS)
        yield service


@contextmanager
def ticker(db: DatabaseService, seconds: int, *others: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process with a clock whose backfill comes every so many seconds, until the end."""
    command = [sys.executable, "-m", "tests.ticker", db.url, str(seconds), *others]
    process = subprocess.Popen(command, cwd=REPOSITORY)
    try:
        yield process
    finally:
        process.kill()
        process.wait(120)


def firings(db: DatabaseService) -> list[tuple[datetime, datetime, datetime]]:
    with psycopg.connect(db.url) as connection:
        return connection.execute("SELECT seen, following, at FROM firing ORDER BY at").fetchall()


def leader(db: DatabaseService) -> int | None:
    """The pid of the process that leads, if any does."""
    standing = scheduling.standing(db)
    return int(standing.leader.rpartition(":")[2]) if standing.running and standing.leader else None


def fired(db: DatabaseService) -> int:
    backfill = scheduling.standing(db).named(Name.BACKFILL)
    return backfill.fired if backfill else 0


def test_of_two_clocks_one_fires_and_each_time_once(service: DatabaseService) -> None:
    with ticker(service, 2), ticker(service, 2):
        until(lambda: len(firings(service)) >= 4)

    told = firings(service)
    assert [following for _, following, _ in told[:-1]] == [seen for seen, _, _ in told[1:]]
    assert {following - seen for seen, following, _ in told} == {timedelta(seconds=2)}
    assert fired(service) == len(told)


def test_a_killed_leader_is_followed_within_seconds_and_what_was_missed_comes_once(service: DatabaseService) -> None:
    with ExitStack() as stack:
        both = [stack.enter_context(ticker(service, 2)) for _ in range(2)]
        until(lambda: leader(service) and firings(service))
        first = next(each for each in both if each.pid == leader(service))
        first.kill()
        killed, before = time.monotonic(), len(firings(service))
        until(lambda: leader(service) not in (None, first.pid))
        took = time.monotonic() - killed
        until(lambda: len(firings(service)) > before + 1)

    told = firings(service)
    assert took < 20
    assert [following for _, following, _ in told[:-1]] == [seen for seen, _, _ in told[1:]]
    assert fired(service) == len(told)


def test_what_nobody_fired_is_fired_once_when_somebody_leads_again(service: DatabaseService) -> None:
    with ticker(service, 1):
        until(lambda: firings(service))
    time.sleep(3)
    before = len(firings(service))
    with ticker(service, 30):
        until(lambda: len(firings(service)) > before)
        time.sleep(1.5)

    late = firings(service)[before:]
    assert len(late) == 1 or late[1][2].second in (0, 30)
    assert late[0][2] - late[0][0] > timedelta(seconds=2)


def test_a_pause_outlives_every_process_and_what_falls_into_it_is_never_made_up_for(service: DatabaseService) -> None:
    with ticker(service, 1):
        until(lambda: firings(service))
        with service.connection() as connection:
            assert schedules.pause(connection, [Name.BACKFILL], "test") == [Name.BACKFILL]
            assert schedules.pause(connection, [Name.BACKFILL], "test") == []
    before = fired(service)
    with ticker(service, 1):
        moved = len(firings(service))
        until(lambda: len(firings(service)) > moved + 1)
        assert fired(service) == before
        with service.connection() as connection:
            assert schedules.resume(connection, [Name.BACKFILL]) == [Name.BACKFILL]
        until(lambda: fired(service) > before)


def test_a_clock_that_is_set_otherwise_than_the_leader_says_so_and_does_not_count(service: DatabaseService) -> None:
    with ticker(service, 2):
        until(lambda: leader(service))
        with ticker(service, 2, "backfill_schedule_hour=4") as other:
            differs = until(lambda: scheduling.standing(service).differs)
        told = scheduling.standing(service).named(Name.BACKFILL)

    [(owner, [words])] = differs.items()
    assert owner.endswith(f":{other.pid}")
    assert words == "backfill: '0 4 * * *' here, '0 2 * * *' with the leader"
    assert told and told.cron == "0 2 * * *"


def test_a_leader_that_stands_still_is_put_out(service: DatabaseService) -> None:
    with ExitStack() as stack:
        frozen, other = (stack.enter_context(psycopg.connect(service.url, autocommit=True)) for _ in range(2))
        assert schedules.lead(frozen, "frozen", {})
        assert not schedules.lead(other, "other", {})
        other.execute("UPDATE scheduler_leader SET heartbeat_at = heartbeat_at - interval '16 s'")
        assert not schedules.lead(other, "other", {})
        assert until(lambda: schedules.lead(other, "other", {}), 5)
        with pytest.raises(psycopg.OperationalError):
            schedules.beat(frozen)
