"""Backups: whole, tried, and put in the place of a warehouse only when they are what was there."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from barhouse.config import Settings
from barhouse.errors import BackupFailed, BarhouseError, Conflict, MigrationError, UnusableBackup
from barhouse.flow.backup import Saved, backup
from barhouse.flow.restore import Restored, restore
from barhouse.store import backups
from barhouse.store.databases import SCRATCH, name_of
from barhouse.store.fingerprint import Count, Fingerprint, seen, taken
from barhouse.store.migrate import migrate, pending
from barhouse.store.postgres import Database
from tests.integration.databases import ledger
from tests.servers import Server
from tests.warehouse import filled

NOW = datetime(2024, 3, 5, 2, tzinfo=UTC)
PASSWORD = "never:shown\\4711"


def silent(*_: object) -> None:
    """Nobody looks."""


def settings_of(url: str, folder: Path) -> Settings:
    return Settings.model_validate({"database_url": url, "data_dir": folder / "data"})


def saved(url: str, folder: Path, *, verify: bool = False, now: datetime = NOW, keep: int | None = None) -> Saved:
    return backup(settings_of(url, folder), folder / "backups", now, report=silent, verify=verify, keep=keep)


def restored(path: Path, url: str, **how: Any) -> Restored:
    return restore(path, url, path.parent / "data", report=silent, **how)


def held(url: str) -> Fingerprint:
    with seen(url) as (connection, _):
        return taken(connection, silent)


def asked(url: str, question: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(question.encode())
        return cursor.fetchall() if cursor.description else []


def databases(server: Server) -> set[str]:
    return {name for (name,) in asked(server.url, "SELECT datname FROM pg_database")}


@pytest.fixture
def full(server: Server) -> Iterator[str]:
    with filled(server) as url:
        yield url


@pytest.fixture
def target(server: Server) -> Iterator[str]:
    """The URL of a database that is not there; what comes to be there, or is put aside for it, goes at the end."""
    name = f"target_{uuid4().hex[:12]}"
    yield server.at(name)
    with psycopg.connect(server.url, autocommit=True) as connection:
        for found in databases(server):
            if found.startswith(name):
                connection.execute(f"DROP DATABASE {found} WITH (FORCE)".encode())


@pytest.fixture
def path(full: str, tmp_path: Path) -> Path:
    """A sound backup of a warehouse with bars of every kind."""
    return saved(full, tmp_path).path


@pytest.mark.every_server
def test_what_was_backed_up_is_what_is_restored(full: str, target: str, server: Server, tmp_path: Path) -> None:
    before = held(full)

    path = saved(full, tmp_path, verify=True).path
    done = restored(path, target)

    assert not before.differences(held(target))
    assert asked(target, "SELECT count(*) FROM market_data") == asked(full, "SELECT count(*) FROM market_data")
    assert done.manifest.content.series["BTC crypto 1d"].rows == 1
    assert sum(count.rows for count in before.series.values()) == before.tables["public.bar"].rows > 3000
    assert ledger(target) == ledger(full)
    assert SCRATCH not in databases(server)


@pytest.mark.every_server
def test_a_backup_of_a_warehouse_that_is_being_written_is_of_one_instant(full: str, tmp_path: Path) -> None:
    over = threading.Event()

    def write() -> None:
        with psycopg.connect(full, autocommit=True) as connection:
            while not over.is_set():
                with connection.transaction():
                    connection.execute("UPDATE bar SET volume = volume + 1 WHERE timeframe <> 1")
                    connection.execute(
                        "INSERT INTO instrument (symbol, asset_class, exchange) "
                        "SELECT 'S' || count(*), 'stock', 'XNYS' FROM instrument"
                    )

    writer = threading.Thread(target=write)
    writer.start()
    try:
        made = saved(full, tmp_path, verify=True)
    finally:
        over.set()
        writer.join()

    assert made.verified
    assert made.manifest.content.differences(held(full)), "nothing was written meanwhile"


@pytest.mark.every_server
def test_the_password_is_on_no_command_line(full: str, target: str, tmp_path: Path) -> None:
    lines: set[str] = set()
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.005):
            lines.update(filter(None, map(_command_line, Path("/proc").glob("[0-9]*"))))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        path = saved(make_conninfo(full, password=PASSWORD), tmp_path).path
        restored(path, make_conninfo(target, password=PASSWORD))
    finally:
        over.set()
        watcher.join()

    ran = [line for line in lines if "pg_dump" in line or "pg_restore" in line]
    assert any("pg_dump" in line for line in ran)
    assert any("pg_restore" in line for line in ran)
    assert not [line for line in lines if "4711" in line]
    assert "4711" not in (path / "manifest.json").read_text()


def _command_line(process: Path) -> str:
    try:
        return (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def cut(path: Path) -> None:
    largest = max((path / "dump").iterdir(), key=lambda file: file.stat().st_size)
    largest.write_bytes(largest.read_bytes()[:-100])


def flip_a_bit(path: Path) -> None:
    largest = max((path / "dump").iterdir(), key=lambda file: file.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[len(content) // 2] ^= 1
    largest.write_bytes(content)


def lose_a_file(path: Path) -> None:
    (path / "dump" / "toc.dat").unlink()


def touch_up_the_manifest(path: Path) -> None:
    told = json.loads((path / "manifest.json").read_text())
    told["content"]["tables"]["public.bar"][0] += 1
    (path / "manifest.json").write_text(json.dumps(told))


def cut_the_manifest(path: Path) -> None:
    text = (path / "manifest.json").read_text()
    (path / "manifest.json").write_text(text[: len(text) // 2])


def lose_the_manifest(path: Path) -> None:
    (path / "manifest.json").unlink()


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (cut, "bytes instead of"),
        (flip_a_bit, "was changed after"),
        (lose_a_file, "toc.dat is missing"),
        (touch_up_the_manifest, "was changed after"),
        (cut_the_manifest, "cannot be read"),
        (lose_the_manifest, "is no backup"),
    ],
)
def test_a_damaged_backup_is_refused_and_changes_nothing(
    path: Path, full: str, server: Server, damage: Callable[[Path], None], complaint: str
) -> None:
    before, there = held(full), databases(server)
    damage(path)

    with pytest.raises(UnusableBackup, match=complaint):
        restored(path, full, replace=True)

    assert not before.differences(held(full))
    assert databases(server) == there


@pytest.mark.parametrize("content", ["", "a,b\n1,2\n", '{"format": 1}'])
def test_what_is_no_backup_is_said_to_be_none(target: str, tmp_path: Path, content: str) -> None:
    (tmp_path / "manifest.json").write_text(content)
    (tmp_path / "bars.csv").write_text(content)

    for wrong in (tmp_path, tmp_path / "bars.csv", tmp_path / "nowhere"):
        with pytest.raises(UnusableBackup):
            restored(wrong, target)


def test_a_copy_that_is_not_what_was_there_never_takes_its_place(path: Path, full: str, server: Server) -> None:
    before, there = held(full), databases(server)
    manifest = backups.read(path)
    series = {**manifest.content.series, "AAPL stock 1d": Count(*manifest.content.series["AAPL stock 1d"])}
    series["AAPL stock 1d"] = series["AAPL stock 1d"]._replace(checksum="1")
    backups.seal(path, replace(manifest, content=replace(manifest.content, series=series)))

    with pytest.raises(BackupFailed, match="AAPL stock 1d has other values in the copy"):
        restored(path, full, replace=True)

    assert not before.differences(held(full))
    assert databases(server) == there


def test_a_copy_that_would_fill_the_disk_of_the_bars_is_not_begun(path: Path, tmp_path: Path) -> None:
    manifest = backups.read(path)
    backups.seal(path, replace(manifest, content=replace(manifest.content, bytes=1 << 60)))

    with pytest.raises(BackupFailed, match="MB are free"):
        restore(path, None, tmp_path / "embedded", report=silent)


@pytest.mark.every_server
def test_bars_are_replaced_only_on_demand_and_kept_under_another_name(path: Path, target: str, server: Server) -> None:
    restored(path, target)
    asked(target, "UPDATE bar SET close = 1")
    changed = held(target)

    with pytest.raises(Conflict, match="has bars; with --replace"):
        restored(path, target)
    assert not changed.differences(held(target))
    done = restored(path, target, replace=True)

    assert done.aside is not None
    assert not changed.differences(held(server.at(done.aside)))
    assert not done.manifest.content.differences(held(target))


def test_a_warehouse_in_which_nobody_left_anything_is_replaced_without_a_word(
    path: Path, target: str, server: Server
) -> None:
    name = name_of(target)
    asked(server.url, f"CREATE DATABASE {name} TEMPLATE {server.template}")

    done = restored(path, target)

    assert done.aside is None
    assert {found for found in databases(server) if found.startswith(name)} == {name}


def test_a_database_in_use_is_not_replaced_and_its_users_are_named(path: Path, target: str, server: Server) -> None:
    restored(path, target)

    with (
        psycopg.connect(target, application_name="a notebook") as user,
        pytest.raises(Conflict, match=rf"a notebook \(postgres.*process {user.info.backend_pid}\)"),
    ):
        restored(path, target, replace=True)

    assert SCRATCH not in databases(server)


def test_a_backup_of_a_newer_schema_is_refused(full: str, target: str, tmp_path: Path) -> None:
    asked(full, "INSERT INTO schema_migration (name, checksum) VALUES ('999_moons.sql', 'x')")
    path = saved(full, tmp_path).path

    with pytest.raises(MigrationError, match=r"999_moons\.sql.*Install the version that brought them"):
        restored(path, target)


def test_a_backup_of_an_older_schema_is_brought_up_to_date(
    empty_database_url: str, target: str, tmp_path: Path
) -> None:
    migrate(empty_database_url, {})
    path = saved(empty_database_url, tmp_path).path

    restored(path, target)

    with psycopg.connect(target) as connection:
        assert pending(connection, {"atr": "double precision", "return_1d": "double precision"}) == []


def test_a_database_without_a_warehouse_is_not_backed_up(empty_database_url: str, tmp_path: Path) -> None:
    with pytest.raises(Conflict, match="no warehouse"):
        saved(empty_database_url, tmp_path)

    assert list((tmp_path / "backups").iterdir()) == []


def test_only_the_newest_backups_stay(database_url: str, tmp_path: Path) -> None:
    stranger = tmp_path / "backups" / "barhouse-notes"
    stranger.mkdir(parents=True)
    made = [saved(database_url, tmp_path, now=NOW + timedelta(days=day), keep=2).path for day in range(4)]

    assert sorted((tmp_path / "backups").iterdir()) == [*made[2:], stranger]


def test_what_a_killed_backup_left_is_cleared_by_the_next(database_url: str, tmp_path: Path) -> None:
    left = tmp_path / "backups" / "barhouse-20240101T000000Z.partial"
    left.mkdir(parents=True)

    made = saved(database_url, tmp_path)

    assert list((tmp_path / "backups").iterdir()) == [made.path]


def test_a_server_that_is_away_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(BarhouseError, match="PostgreSQL"):
        saved("postgresql://postgres@127.0.0.1:9/none", tmp_path)

    assert not list(tmp_path.glob("backups/*"))


def test_work_that_was_in_hand_is_given_back_in_the_copy(database_url: str, target: str, tmp_path: Path) -> None:
    asked(
        database_url,
        "INSERT INTO backfill_state_persistent (symbol, asset_class, timeframe, status, owner, lease_token, "
        "lease_expires_at) VALUES ('AAPL', 'stock', '1d', 'in_progress', 'elsewhere:1', gen_random_uuid(), "
        "now() + interval '1 hour')",
    )

    restored(saved(database_url, tmp_path).path, target)

    assert asked(target, "SELECT status, owner, lease_token, retry_count FROM backfill_state_persistent") == [
        ("pending", None, None, 0)
    ]
    with Database(target) as db, db.connection() as connection:
        assert connection.execute("SELECT status FROM backfill_state_persistent").fetchall() == [("pending",)]
