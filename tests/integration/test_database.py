"""The way to PostgreSQL when it fails: what went wrong is told as it is, and nothing of it lingers."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psycopg
import pytest

from barhouse.errors import DatabaseUnavailable
from barhouse.store.postgres import FRAME_CONNECTIONS, Database
from tests.servers import Server
from tests.workers import until

SLOW = b"SELECT number, pg_sleep(0.001) IS NULL AS nothing FROM generate_series(1, 100000) AS number"


def test_a_cancelled_statement_is_no_lost_connection(db: Database) -> None:
    with pytest.raises(DatabaseUnavailable, match="cancelled"), db.transaction() as connection:
        connection.execute("SET LOCAL statement_timeout = '20ms'")
        connection.execute("SELECT pg_sleep(5)")

    with cancelled(db.url), pytest.raises(DatabaseUnavailable, match="cancelled"):
        db.frame(SLOW)


def test_a_read_only_server_is_told_from_one_that_is_away(db: Database) -> None:
    with pytest.raises(DatabaseUnavailable, match="primary"), db.transaction() as connection:
        connection.execute("SET TRANSACTION READ ONLY")
        connection.execute("DELETE FROM bar")


def test_a_full_disk_is_told_as_such(db: Database) -> None:
    with pytest.raises(DatabaseUnavailable, match="disk of PostgreSQL is full"), db.connection() as connection:
        connection.execute("DO $$ BEGIN RAISE EXCEPTION 'no space left on device' USING ERRCODE = '53100'; END $$")


def test_of_two_writers_that_wait_for_each_other_one_may_try_again(db: Database) -> None:
    both = threading.Barrier(2)

    def write(first: int, second: int) -> None:
        with db.transaction() as connection:
            connection.execute("SELECT pg_advisory_xact_lock(%s)", [first])
            both.wait(60)
            connection.execute("SELECT pg_advisory_xact_lock(%s)", [second])

    with ThreadPoolExecutor(2) as writers:
        done = [writers.submit(write, 1, 2), writers.submit(write, 2, 1)]

    [failure] = [error for one in done if (error := one.exception())]
    assert isinstance(failure, DatabaseUnavailable)
    assert "try again" in str(failure)


def test_a_mistake_in_a_statement_stays_a_mistake(db: Database) -> None:
    with pytest.raises(psycopg.errors.UndefinedTable), db.connection() as connection:
        connection.execute("SELECT * FROM nothing")


def test_a_server_that_is_away_is_told_without_its_password() -> None:
    with Database("postgresql://nobody:sekret@127.0.0.1:1/none", timeout=0.2) as away:
        with pytest.raises(DatabaseUnavailable) as by_frames:
            away.frame(b"SELECT 1 AS one")
        with pytest.raises(DatabaseUnavailable) as by_rows, away.connection():
            pass

    for told in (by_frames, by_rows):
        assert "sekret" not in "".join(traceback.format_exception(told.value))


def test_who_is_hasty_waits_less_long_for_a_server_that_is_known_to_be_away(server: Server) -> None:
    with server.database() as url, Database(url, timeout=2, is_hasty=True) as db:
        with server.without(url):
            until(lambda: "no connection in 1 s" in refused(db))
        until(lambda: "no connection in 2 s" in refused_anew(server, db))


def refused_anew(server: Server, db: Database) -> str:
    """What is told first in an outage."""
    until(lambda: not refused(db))
    with server.without(db.url):
        return refused(db)


def refused(db: Database) -> str:
    """Why there is no connection; nothing where there is one."""
    try:
        with db.connection():
            return ""
    except DatabaseUnavailable as away:
        return str(away)


def test_readers_that_a_restart_cut_off_read_again(db: Database) -> None:
    with ThreadPoolExecutor(FRAME_CONNECTIONS) as readers:
        list(readers.map(lambda _: db.frame(b"SELECT pg_sleep(0.2) IS NULL AS slept"), range(FRAME_CONNECTIONS)))
    with psycopg.connect(db.url, autocommit=True) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )

    for _ in range(FRAME_CONNECTIONS + 1):
        assert db.frame(b"SELECT 1 AS one").item() == 1


def test_a_reader_that_broke_off_is_not_used_again(db: Database) -> None:
    db.frame(b"SELECT 1 AS one")
    with pytest.raises(ValueError, match="broke off"), db._frame_connection() as reader:
        cursor = reader.cursor()
        cursor.execute(SLOW.decode())
        raise ValueError("broke off")

    assert db.frame(b"SELECT 1 AS one").item() == 1


def test_threads_that_come_at_once_share_one_pool(database_url: str) -> None:
    together = threading.Barrier(16)

    def pool(database: Database) -> int:
        together.wait(60)
        return id(database.pool)

    with Database(database_url) as database, ThreadPoolExecutor(16) as threads:
        assert len(set(threads.map(pool, [database] * 16))) == 1


@contextmanager
def cancelled(url: str) -> Iterator[None]:
    """Within, whatever else runs on the database is cancelled soon."""
    done = threading.Event()

    def cancel() -> None:
        with psycopg.connect(url, autocommit=True) as other:
            while not done.wait(0.1):
                other.execute(
                    "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE state = 'active' "
                    "AND datname = current_database() AND pid <> pg_backend_pid()"
                )

    thread = threading.Thread(target=cancel)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
