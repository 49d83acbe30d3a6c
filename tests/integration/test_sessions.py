"""Sessions in the database: read once by a library that is slow to import, then by everybody."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import polars as pl
import psycopg
import pytest

from barhouse.calendar import Calendar, refreshed
from barhouse.errors import BarhouseError, UnknownCalendar
from barhouse.flow import sessions as flow
from barhouse.model import ALWAYS_OPEN
from barhouse.store import sessions
from barhouse.store.postgres import Database


@pytest.fixture(scope="module")
def new_york() -> Calendar:
    return refreshed("XNYS")


@pytest.fixture
def db(db: Database) -> Database:
    """A database that knows no exchange yet, and a process that remembers none."""
    with db.connection() as connection:
        connection.execute("TRUNCATE exchange, session")
    forget()
    return db


def without(calendar: Calendar, day: date) -> Calendar:
    return Calendar(calendar.name, calendar.zone, calendar.sessions.filter(pl.col("date") != day))


def tells_the_same(read: Calendar, known: Calendar) -> bool:
    """Whether both know the same sessions; what was read after a midnight reaches a day further."""
    return read.sessions.filter(pl.col("date") <= known.sessions["date"].max()).equals(known.sessions)


def aged(db: Database, days: int) -> None:
    with db.connection() as connection:
        connection.execute("UPDATE exchange SET refreshed_at = refreshed_at - %s", [timedelta(days=days)])


def forget() -> None:
    flow._kept.clear()


@pytest.mark.every_server
def test_what_was_saved_is_what_is_loaded(db: Database, new_york: Calendar) -> None:
    with db.transaction() as connection:
        sessions.save(connection, new_york)

    with db.connection() as connection:
        loaded = sessions.load(connection, "XNYS")

    assert loaded.zone == "America/New_York"
    assert loaded.sessions.equals(new_york.sessions)


def test_the_zone_of_the_database_moves_no_session(db: Database, new_york: Calendar) -> None:
    with psycopg.connect(db.url, options="-c TimeZone=Asia/Tokyo") as connection:
        sessions.save(connection, new_york)

        assert sessions.load(connection, "XNYS").sessions.equals(new_york.sessions)


def test_a_closure_announced_later_takes_the_session_away(db: Database, new_york: Calendar) -> None:
    mourning = date(2025, 1, 9)
    hasty = new_york.sessions["date"].append(pl.Series([mourning])).sort()
    unaware = Calendar("XNYS", new_york.zone, _every_day_alike(hasty))
    with db.transaction() as connection:
        sessions.save(connection, unaware)

    with db.transaction() as connection:
        sessions.save(connection, new_york)

    with db.connection() as connection:
        assert sessions.load(connection, "XNYS").sessions.equals(new_york.sessions)


def _every_day_alike(dates: pl.Series) -> pl.DataFrame:
    opens = dates.alias("date").to_frame().with_columns(open=pl.col("date").cast(pl.Datetime("us", "UTC")))
    hours = opens.with_columns(pl.col("open") + timedelta(hours=14))
    return hours.with_columns(close=pl.col("open") + timedelta(hours=5))


def test_sessions_outside_the_new_stretch_stay(db: Database, new_york: Calendar) -> None:
    late = Calendar("XNYS", new_york.zone, new_york.sessions.tail(100))
    with db.transaction() as connection:
        sessions.save(connection, new_york)
        sessions.save(connection, late)

        assert sessions.load(connection, "XNYS").sessions.equals(new_york.sessions)


def test_an_exchange_that_nobody_saved_is_unknown(db: Database) -> None:
    with db.connection() as connection, pytest.raises(UnknownCalendar, match="'XLON'"):
        sessions.load(connection, "XLON")


def test_the_first_question_fills_the_table_and_the_next_ones_do_not(db: Database, new_york: Calendar) -> None:
    first = flow.calendar(db, "XNYS")
    again = flow.calendar(db, "XNYS")

    with db.connection() as connection:
        saved = sessions.load(connection, "XNYS")
    assert again is first
    assert tells_the_same(first, new_york)
    assert tells_the_same(saved, new_york)


def test_another_process_uses_what_is_saved(db: Database, new_york: Calendar) -> None:
    shut = without(new_york, date(2024, 7, 3))
    with db.transaction() as connection:
        sessions.save(connection, shut)
    forget()

    assert flow.calendar(db, "XNYS").sessions.equals(shut.sessions)


@pytest.mark.parametrize(("days", "fresh"), [(29, True), (31, False)])
def test_sessions_are_read_anew_after_a_month(db: Database, new_york: Calendar, days: int, fresh: bool) -> None:
    with db.transaction() as connection:
        sessions.save(connection, new_york)
    aged(db, days)

    with db.connection() as connection:
        assert sessions.fresh(connection, "XNYS") is fresh


@pytest.mark.parametrize(("days", "fresh"), [(0, True), (2, False)])
def test_sessions_that_end_soon_are_read_anew_the_next_day(
    db: Database, new_york: Calendar, days: int, fresh: bool
) -> None:
    soon = (datetime.now(UTC) + timedelta(days=50)).date()
    with db.transaction() as connection:
        sessions.save(connection, Calendar("XNYS", new_york.zone, new_york.sessions.filter(pl.col("date") < soon)))
    aged(db, days)

    with db.connection() as connection:
        assert sessions.fresh(connection, "XNYS") is fresh


def test_sessions_that_are_not_fresh_give_way_to_new_ones(db: Database, new_york: Calendar) -> None:
    with db.transaction() as connection:
        sessions.save(connection, without(new_york, date(2024, 7, 3)))
    aged(db, 31)

    known = flow.calendar(db, "XNYS")

    assert tells_the_same(known, new_york)


def test_an_exchange_that_no_library_knows_is_refused(db: Database) -> None:
    with pytest.raises(UnknownCalendar, match="'XNOPE'"):
        flow.calendar(db, "XNOPE")


def test_old_sessions_are_better_than_none(db: Database, new_york: Calendar, monkeypatch: pytest.MonkeyPatch) -> None:
    with db.transaction() as connection:
        sessions.save(connection, new_york)
    aged(db, 31)
    monkeypatch.setattr("sys.executable", "/bin/false")

    assert flow.calendar(db, "XNYS").sessions.equals(new_york.sessions)


def test_a_child_that_fails_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/bin/false")

    with pytest.raises(BarhouseError, match="XNYS cannot be read"):
        flow.read_apart("XNYS")


def test_a_market_that_never_closes_needs_no_table(db: Database) -> None:
    calendar = flow.calendar(db, ALWAYS_OPEN)

    with db.connection() as connection:
        row = connection.execute("SELECT count(*) FROM exchange").fetchone()
    assert calendar.name == ALWAYS_OPEN
    assert row == (0,)
