"""Migrations on a real server: applied once, in order, whole or not at all, and with words when something is wrong."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from shutil import which
from typing import LiteralString
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from barhouse.errors import MigrationError
from barhouse.store.migrate import migrate, pending
from tests.integration.databases import as_role, columns_of, ledger

pytestmark = pytest.mark.every_server

MIGRATIONS = Path(__file__).parents[2] / "database" / "migrations"
FILES = sorted(path.name for path in MIGRATIONS.glob("*.sql"))
FEATURES = {"atr": "double precision", "trend_direction": "text"}


@pytest.fixture
def guest(empty_database_url: str) -> Iterator[str]:
    """A role that owns nothing."""
    name = f"guest_{uuid4().hex[:8]}"
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        connection.execute(_spelled("CREATE ROLE {} LOGIN PASSWORD 'guest'", name))
        yield name
        connection.execute(_spelled("DROP OWNED BY {}", name))
        connection.execute(_spelled("DROP ROLE {}", name))


def _spelled(statement: LiteralString, role: str) -> sql.Composed:
    return sql.SQL(statement).format(sql.Identifier(role))


def test_files_and_features_are_applied_in_order(empty_database_url: str) -> None:
    said: list[str] = []

    migrate(empty_database_url, FEATURES, said.append)

    steps = [*FILES, "feature:atr", "feature:trend_direction"]
    assert said == [line for step in steps for line in (f"Running migration: {step}", "  ✓ Completed")]
    assert ledger(empty_database_url) == sorted(steps)


def test_a_second_run_has_nothing_to_do(empty_database_url: str) -> None:
    migrate(empty_database_url, FEATURES)
    said: list[str] = []

    migrate(empty_database_url, FEATURES, said.append)

    assert said == []


def test_what_is_pending_shrinks_to_nothing(empty_database_url: str) -> None:
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        assert pending(connection) == FILES

        migrate(empty_database_url, {})

        assert pending(connection) == []
        assert pending(connection, FEATURES) == ["feature:atr", "feature:trend_direction"]


def test_of_two_runners_at_once_the_second_finds_all_done(empty_database_url: str) -> None:
    said: list[str] = []

    with ThreadPoolExecutor(4) as pool:
        runs = [pool.submit(migrate, empty_database_url, FEATURES, said.append) for _ in range(4)]
        for run in runs:
            run.result(timeout=60)

    assert said.count("  ✓ Completed") == len(FILES) + len(FEATURES)


@pytest.mark.skipif(which("psql") is None, reason="needs psql on the PATH (Debian: postgresql-client)")
def test_files_applied_by_hand_are_entered(empty_database_url: str) -> None:
    files = [word for name in FILES * 2 for word in ("-f", str(MIGRATIONS / name))]
    by_hand = ["psql", "-q", "-v", "ON_ERROR_STOP=1", *files, empty_database_url]
    ran = subprocess.run(by_hand, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr

    migrate(empty_database_url, {})

    assert ledger(empty_database_url) == FILES


@pytest.mark.parametrize("name", [name for name in FILES if name[:3] in {"011", "013", "014", "015"}])
def test_the_books_can_be_made_alone(empty_database_url: str, name: str) -> None:
    with psycopg.connect(empty_database_url) as connection:
        connection.execute((MIGRATIONS / name).read_bytes())


def test_a_changed_file_stops_the_run(empty_database_url: str) -> None:
    migrate(empty_database_url, {})
    with psycopg.connect(empty_database_url) as connection:
        connection.execute("UPDATE schema_migration SET checksum = 'other' WHERE name LIKE '004%'")

    with pytest.raises(MigrationError, match=r"004_bars\.sql.*old text back"):
        migrate(empty_database_url, FEATURES)

    assert "atr" not in columns_of(empty_database_url, "bar_feature")


def test_an_applied_file_that_is_gone_stops_the_run(empty_database_url: str) -> None:
    migrate(empty_database_url, {})
    with psycopg.connect(empty_database_url) as connection:
        connection.execute("INSERT INTO schema_migration (name, checksum) VALUES ('999_tomorrow.sql', 'x')")

    with pytest.raises(MigrationError, match=r"has not: 999_tomorrow\.sql.*Install the version"):
        migrate(empty_database_url, FEATURES)

    assert "atr" not in columns_of(empty_database_url, "bar_feature")


def test_a_failing_file_leaves_nothing_half_done_and_the_next_run_goes_on(empty_database_url: str) -> None:
    with psycopg.connect(empty_database_url) as connection:
        connection.execute("CREATE TABLE job_task (note text)")

    with pytest.raises(MigrationError, match=r"012_jobs\.sql stopped at `CREATE INDEX.*Nothing of it was kept"):
        migrate(empty_database_url, {})

    assert columns_of(empty_database_url, "job") == []
    assert ledger(empty_database_url) == [name for name in FILES if name < "012"]
    with psycopg.connect(empty_database_url) as connection:
        connection.execute("DROP TABLE job_task")
    migrate(empty_database_url, {})
    assert ledger(empty_database_url) == FILES


def test_a_feature_that_is_no_more_keeps_its_column(empty_database_url: str) -> None:
    migrate(empty_database_url, FEATURES)

    migrate(empty_database_url, {"atr": "double precision", "delta": "double precision"})

    assert columns_of(empty_database_url, "bar_feature")[3:] == ["atr", "trend_direction", "delta"]


def test_a_feature_of_another_type_than_its_column_stops_the_run(empty_database_url: str) -> None:
    migrate(empty_database_url, FEATURES)

    with pytest.raises(MigrationError, match="feature:atr"):
        migrate(empty_database_url, {"atr": "text"})


@pytest.mark.parametrize("right", ["CREATE", "ALL"])
def test_a_role_that_may_not_create_is_told_what_it_lacks(
    empty_database_url: str, guest: str, right: LiteralString
) -> None:
    with psycopg.connect(empty_database_url) as connection:
        connection.execute(sql.SQL("REVOKE {} ON SCHEMA public FROM PUBLIC").format(sql.SQL(right)))

    with pytest.raises(MigrationError) as refusal:
        migrate(as_role(empty_database_url, guest), {})

    assert "`CREATE TABLE schema_migration (`" in str(refusal.value)
    assert f"GRANT USAGE, CREATE ON SCHEMA public TO {guest}" in str(refusal.value)


def test_a_role_that_does_not_own_the_tables_is_told_who_does(empty_database_url: str, guest: str) -> None:
    migrate(empty_database_url, {})
    with psycopg.connect(empty_database_url) as connection:
        connection.execute(_spelled("GRANT ALL ON SCHEMA public TO {}", guest))
        connection.execute(_spelled("GRANT ALL ON ALL TABLES IN SCHEMA public TO {}", guest))
        owner = connection.info.user

    with pytest.raises(MigrationError, match=rf"`ALTER TABLE bar_feature.*needs the role {owner}.*ran as {guest}"):
        migrate(as_role(empty_database_url, guest), FEATURES)


def test_a_server_that_is_away_is_said_without_the_password() -> None:
    with pytest.raises(MigrationError, match=r"PostgreSQL is away.*start it") as refusal:
        migrate("postgresql://user:hushhush@127.0.0.1:1/none", {})

    assert "hushhush" not in str(refusal.value)


@pytest.mark.parametrize("url", ["hushhush", "postgresql://u:hushhush@h/x?nonsense=1", "mysql://u:hushhush@h/x"])
def test_what_is_no_url_is_said_without_the_password(url: str) -> None:
    with pytest.raises(MigrationError, match="no PostgreSQL URL") as refusal:
        migrate(url, {})

    assert "hushhush" not in str(refusal.value)
