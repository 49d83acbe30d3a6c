"""The embedded PostgreSQL: shared by processes, ended with its last user, durable through kills."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from barhouse.store.binaries import programs
from barhouse.store.embedded import running, serving, start
from barhouse.store.postgres import Database
from barhouse.store.watchdog import command_line, take_if_free
from tests.integration.embedded_servers import (
    Owner,
    as_root,
    ask,
    born,
    copy,
    gone,
    owners,
    python_for,
    server_pid,
    soon,
    watchdog_pid,
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with a cluster, at rest, to be copied."""
    data_dir = tmp_path_factory.mktemp("made") / "data"
    with running(data_dir):
        pass
    return data_dir


@pytest.fixture
def data_dir(made: Path, tmp_path: Path) -> Iterator[Path]:
    """A data directory of the test's own; no server may be left on it."""
    folder = copy(made, tmp_path / "data")
    yield folder
    assert soon(lambda: gone(folder))


@pytest.fixture
def user_folder() -> Iterator[Path]:
    """A folder of an ordinary user's own, in a place that everybody may enter."""
    nobody = pwd.getpwnam("nobody").pw_uid
    with tempfile.TemporaryDirectory(prefix="barhouse-") as folder:
        os.chown(folder, nobody, nobody)
        yield Path(folder)


def test_two_processes_that_start_at_once_share_one_server(tmp_path: Path) -> None:
    with owners(tmp_path / "new", 2) as (one, other):
        first, second = one.says(), other.says()
        assert first == second
        before = born(first)

        one.leave()
        assert born(second) == before

        other.leave()
        assert gone(tmp_path / "new")


def test_the_server_ends_before_its_last_user_has_left(data_dir: Path) -> None:
    with running(data_dir) as outer:
        with running(data_dir) as inner:
            assert inner == outer
        assert ask(outer, "SELECT 1") == 1

    assert gone(data_dir)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(outer)


def test_acknowledged_rows_outlive_the_killing_of_every_owner(data_dir: Path) -> None:
    with owners(data_dir, 1, "--write") as (writer,), owners(data_dir, 1) as (reader,):
        writer.says(), reader.says()
        acknowledged = [writer.says() for _ in range(200)]
        acknowledged += writer.kill()
        reader.kill()

    assert soon(lambda: gone(data_dir))
    with running(data_dir) as url:
        assert ask(url, f"SELECT count(*) FROM kept WHERE number <= {int(acknowledged[-1])}") == len(acknowledged)


def test_acknowledged_rows_outlive_the_killing_of_server_and_owner(data_dir: Path) -> None:
    with owners(data_dir, 1, "--write") as (writer,):
        writer.says()
        acknowledged = [writer.says() for _ in range(200)]
        os.kill(server_pid(data_dir), signal.SIGKILL)
        acknowledged += writer.kill()

    with running(data_dir) as url:
        assert ask(url, f"SELECT count(*) FROM kept WHERE number <= {int(acknowledged[-1])}") == len(acknowledged)


def test_an_owner_killed_at_any_moment_of_its_first_start_hinders_nobody(tmp_path: Path) -> None:
    for moment in (0.3, 0.6, 0.9, 1.2):
        with owners(tmp_path / "new", 1) as (owner,):
            time.sleep(moment)
            owner.kill()

    with running(tmp_path / "new") as url:
        assert ask(url, "SELECT 1") == 1
    assert gone(tmp_path / "new")


def test_a_killed_server_is_started_again_at_once(data_dir: Path) -> None:
    with running(data_dir) as url:
        before = born(url)
        os.kill(server_pid(data_dir), signal.SIGKILL)

        with running(data_dir) as again:
            assert again == url
            assert born(again) > before
        assert ask(url, "SELECT 1") == 1


def test_a_server_that_is_killed_comes_back_to_those_who_use_it(data_dir: Path) -> None:
    with running(data_dir) as url:
        before = born(url)
        os.kill(server_pid(data_dir), signal.SIGKILL)

        assert soon(lambda: _born_after(url, before))


def _born_after(url: str, before: datetime) -> bool:
    try:
        return bool(born(url) > before)
    except psycopg.OperationalError:
        return False


def test_a_server_that_lost_its_watchdog_too_is_adopted_and_watched_again(data_dir: Path) -> None:
    with owners(data_dir, 1) as (owner,):
        before = born(owner.says())
        os.kill(watchdog_pid(data_dir), signal.SIGKILL)
        owner.kill()
    assert not gone(data_dir)

    with owners(data_dir, 1) as (heir,):
        assert born(heir.says()) == before
        heir.kill()

    assert soon(lambda: gone(data_dir))


def test_while_a_process_of_the_server_lives_no_other_may_start(data_dir: Path) -> None:
    with running(data_dir):
        assert take_if_free(data_dir, "server") is None

    free = take_if_free(data_dir, "server")
    assert free is not None
    os.close(free)


def test_the_watchdog_ends_after_the_server(data_dir: Path) -> None:
    with running(data_dir):
        watchdog = watchdog_pid(data_dir)

    assert soon(lambda: not command_line(watchdog))


def test_a_pid_file_that_a_dead_process_left_is_no_hindrance(data_dir: Path) -> None:
    dead = subprocess.Popen(["true"])
    dead.wait()
    leave_pid_file(data_dir, dead.pid)

    with running(data_dir) as url:
        assert ask(url, "SELECT 1") == 1


@pytest.mark.parametrize("name", ["sleep", "postgres"])
def test_a_foreign_process_on_the_pid_of_a_dead_server_is_let_alone(data_dir: Path, name: str) -> None:
    owner = (data_dir / "postgres").stat()
    who: dict[str, Any] = {} if os.geteuid() else {"user": owner.st_uid, "group": owner.st_gid}
    foreign = subprocess.Popen([name, "60"], executable="/bin/sleep", cwd="/", **who)
    leave_pid_file(data_dir, foreign.pid)

    try:
        with running(data_dir) as url:
            assert ask(url, "SELECT 1") == 1
            assert server_pid(data_dir) != foreign.pid
        assert foreign.poll() is None
    finally:
        foreign.kill()
        foreign.wait()


def test_a_server_started_by_hand_is_used_and_left_running(data_dir: Path) -> None:
    cluster = data_dir / "postgres"
    owner = cluster.stat()
    who: dict[str, Any] = {} if os.geteuid() else {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}
    command: list[str | Path] = [programs(data_dir) / "postgres", "-D", "/proc/self/cwd"]
    by_hand = subprocess.Popen(command, cwd=cluster, stderr=subprocess.DEVNULL, **who)
    assert soon((cluster / ".s.PGSQL.5432").exists)

    try:
        with running(data_dir) as url:
            assert int((cluster / "postmaster.pid").read_text().split()[0]) == by_hand.pid
            assert ask(url, "SELECT 1") == 1
        assert by_hand.poll() is None
    finally:
        by_hand.send_signal(signal.SIGINT)
        by_hand.wait(120)


def test_a_path_too_long_for_a_socket_serves_rows_and_frames(made: Path, tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30) / "with, a comma and 'quotes'"
    folder.mkdir(parents=True)
    data_dir = copy(made, folder / "data")

    with running(data_dir) as url, Database(url) as db:
        assert db.frame(b"SELECT 7 AS seven").item() == 7
        with db.connection() as connection:
            assert connection.execute("SELECT 7").fetchone() == (7,)


@as_root
@pytest.mark.parametrize("account", ["postgres", "nobody"])
def test_a_home_that_only_root_may_enter_is_no_hindrance(made: Path, tmp_path: Path, account: str) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    data_dir = copy(made, closed / "data")
    subprocess.run(["chown", "-R", f"{account}:", data_dir / "postgres"], check=True)

    with running(data_dir) as url:
        assert Path(f"/proc/{server_pid(data_dir)}").owner() == account
        assert ask(url, "SELECT 1") == 1


@as_root
def test_an_ordinary_user_runs_a_server_that_no_other_user_can_enter(user_folder: Path) -> None:
    uid = user_folder.stat().st_uid
    python, environment = python_for(uid)
    who = {"user": uid, "group": uid, "extra_groups": [], "env": environment}
    data_dir = user_folder / "data"

    owner = Owner(data_dir, command=[python, "-m", "tests.owner", str(data_dir)], **who)
    url = owner.says()
    assert Path(f"/proc/{server_pid(data_dir)}").stat().st_uid == uid
    stranger = Owner(
        data_dir, command=[python, "-c", f"import psycopg; psycopg.connect({url!r})"], **{**who, "user": uid - 1}
    )
    assert "Permission denied" in stranger.leave()[1]

    owner.leave()
    assert gone(data_dir)


def test_it_is_durable_utf8_in_utc_and_deaf_to_the_network(data_dir: Path) -> None:
    settings = ["fsync", "full_page_writes", "synchronous_commit", "data_checksums", "TimeZone", "server_encoding"]

    with running(data_dir) as url:
        shown = [ask(url, f"SHOW {name}") for name in settings]
        listens = ask(url, "SHOW listen_addresses")
        noon = ask(url, "SELECT (timestamptz '2024-07-01 16:00Z' AT TIME ZONE 'America/New_York')::text")

    assert shown == ["on", "on", "on", "on", "UTC", "UTF8"]
    assert listens == ""
    assert noon == "2024-07-01 12:00:00"


def test_a_database_url_wins(tmp_path: Path) -> None:
    with serving("postgresql://elsewhere/bars", tmp_path / "unused") as url:
        assert url == "postgresql://elsewhere/bars"

    assert not (tmp_path / "unused").exists()


def test_closing_twice_and_after_the_data_directory_went_is_harmless(data_dir: Path) -> None:
    embedded = start(data_dir)
    embedded.close()
    embedded.close()

    assert gone(data_dir)


def leave_pid_file(data_dir: Path, pid: int) -> None:
    """What a server that was killed leaves behind, its pid given to `pid` since."""
    cluster = data_dir / "postgres"
    lines = [str(pid), "/proc/self/cwd", "1700000000", "5432", ".", "", "  1234567     99999", "ready   ", ""]
    for name in ("postmaster.pid", ".s.PGSQL.5432.lock"):
        (cluster / name).write_text("\n".join(lines))
        shutil.chown(cluster / name, cluster.stat().st_uid, cluster.stat().st_gid)
