"""`barhouse doctor` with one thing broken at a time."""

from __future__ import annotations

import socket
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from barhouse.flow import doctor
from barhouse.flow.doctor import State
from barhouse.store.server import Server
from tests.contract.cli.conftest import NOWHERE, Barhouse
from tests.vendors import Reply, Vendor, vendor

NOW = datetime(2024, 3, 4, 12, tzinfo=UTC)
GIB = 1 << 30


def urls(answering: Vendor | None) -> dict[str, str]:
    where = answering.url if answering else NOWHERE
    return {f"BARHOUSE_{name}_URL": where for name in ("YAHOO", "BINANCE", "POLYGON")} | {"BARHOUSE_PORT": "0"}


def marks(told: str) -> dict[str, str]:
    """How each thing stands."""
    lines = [line for line in told.splitlines() if not line.startswith(" ")]
    return {line[6:21].strip(): line[:4].strip() for line in lines}


def answering(skew: timedelta = timedelta()) -> Reply:
    """A vendor that is there, though it knows nothing."""
    return Reply(status=404, headers={"date": format_datetime(datetime.now(UTC) + skew, usegmt=True)})


def test_what_is_in_order_is_ok_and_status_0(barhouse: Barhouse) -> None:
    with vendor(answering()) as there:
        told = barhouse("doctor", **urls(there))

    assert told.exit_code == 0, told.output
    found = marks(told.stdout)
    assert set(found) == {"Python", "settings", "database", "migrations", "clock", "binance", "yahoo", "port"}
    assert set(found.values()) == {"ok"}


def test_a_first_start_has_nothing_to_complain_about_and_nothing_is_made(barhouse: Barhouse, tmp_path: Path) -> None:
    home = tmp_path / "not" / "yet"
    with vendor(answering()) as there:
        told = barhouse("doctor", "--data-dir", home, DATABASE_URL=None, **urls(there))

    assert told.exit_code == 0, told.output
    assert marks(told.stdout)["data directory"] == "ok"
    assert not home.parent.exists()


def test_settings_that_others_may_read_are_a_warning(barhouse: Barhouse, tmp_path: Path) -> None:
    file = tmp_path / "barhouse.toml"
    file.write_text('alert_secret = "s3cr3t"\n', encoding="utf-8")
    file.chmod(0o644)

    with vendor(answering()) as there:
        told = barhouse("doctor", BARHOUSE_CONFIG=str(file), BARHOUSE_PROT="1", **urls(there))

    assert told.exit_code == 0, told.output
    assert marks(told.stdout)["settings"] == "warn"
    words = " ".join(told.stdout.split())
    assert f"chmod 600 {file}" in words and "BARHOUSE_PORT" in words and "s3cr3t" not in words


def test_no_vendor_within_reach_fails_soon(barhouse: Barhouse) -> None:
    began = time.monotonic()
    told = barhouse("doctor", **urls(None))

    assert time.monotonic() - began < doctor.PATIENCE
    assert told.exit_code == 1
    assert (marks(told.stdout)["yahoo"], marks(told.stdout)["binance"]) == ("fail", "fail")
    assert "look at the network" in told.stdout


def test_one_vendor_away_is_a_warning(barhouse: Barhouse) -> None:
    with vendor(answering()) as there:
        told = barhouse("doctor", **{**urls(there), "BARHOUSE_BINANCE_URL": NOWHERE})

    assert told.exit_code == 0
    assert (marks(told.stdout)["yahoo"], marks(told.stdout)["binance"]) == ("ok", "warn")


def test_a_refused_key_fails_and_is_not_shown(barhouse: Barhouse) -> None:
    key = "pk_never_shown_4711"
    refusal = Reply.json({"error": f"Unknown API Key {key}"}, status=401)
    with vendor(answering()) as there, vendor(refusal) as strict:
        told = barhouse("doctor", POLYGON_API_KEY=key, **{**urls(there), "BARHOUSE_POLYGON_URL": strict.url})

    assert told.exit_code == 1
    assert marks(told.stdout)["polygon"] == "fail"
    assert "POLYGON_API_KEY" in told.stdout
    assert key not in told.output


def test_a_database_that_is_away_fails_without_its_password(barhouse: Barhouse) -> None:
    with vendor(answering()) as there:
        told = barhouse("doctor", DATABASE_URL="postgresql://reader:hush@127.0.0.1:9/bars", **urls(there))

    assert told.exit_code == 1
    assert marks(told.stdout)["database"] == "fail"
    assert "reader@127.0.0.1/bars" in told.stdout
    assert "hush" not in told.output


def test_a_database_url_that_is_none_fails(barhouse: Barhouse) -> None:
    with vendor(answering()) as there:
        told = barhouse("doctor", DATABASE_URL="mysql://reader:hush@db/bars", **urls(there))

    assert told.exit_code == 1
    assert marks(told.stdout)["database"] == "fail"
    assert "hush" not in told.output


def test_steps_that_are_to_be_applied_are_a_warning_and_stay_so(barhouse: Barhouse, empty_database_url: str) -> None:
    with vendor(answering()) as there:
        told = [barhouse("doctor", DATABASE_URL=empty_database_url, **urls(there)) for _ in range(2)]

    assert [marks(each.stdout)["migrations"] for each in told] == ["warn", "warn"]
    assert "run_migrations.py" in told[0].stdout


def test_a_clock_that_is_wrong_fails(barhouse: Barhouse) -> None:
    with vendor(lambda _: answering(timedelta(minutes=5))) as ahead:
        told = barhouse("doctor", **urls(ahead))

    assert told.exit_code == 1
    assert "timedatectl set-ntp true" in told.stdout


def test_a_port_that_is_taken_is_a_warning(barhouse: Barhouse) -> None:
    with vendor(answering()) as there, socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        told = barhouse("doctor", **{**urls(there), "BARHOUSE_PORT": port})

    assert told.exit_code == 0
    assert marks(told.stdout)["port"] == "warn"


def test_a_file_where_the_data_should_be_fails(barhouse: Barhouse, tmp_path: Path) -> None:
    file = tmp_path / "bars"
    file.write_text("")
    with vendor(answering()) as there:
        told = barhouse("doctor", "--data-dir", file, DATABASE_URL=None, **urls(there))

    assert told.exit_code == 1
    assert marks(told.stdout)["data directory"] == "fail"
    assert "BARHOUSE_DATA_DIR" in told.stdout


@pytest.mark.parametrize(("free", "state"), [(3 * GIB, State.OK), (GIB, State.WARN), (100 << 20, State.FAIL)])
def test_a_disk_is_judged_by_what_is_free(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, free: int, state: State
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=free))

    assert doctor.disk(tmp_path / "not" / "yet").state is state


def test_old_versions_are_told_what_is_needed() -> None:
    old = doctor.version(Server(120_017, "12.17", NOW, 8_000_000), "me@there/bars")

    assert (old.state, old.mend) == (State.FAIL, "Barhouse needs PostgreSQL 13 or newer")
    assert doctor.version(Server(130_000, "13.0", NOW, 8_000_000), "me@there/bars").state is State.OK
    assert doctor.python((3, 10, 12)).state is State.FAIL
    assert doctor.python((3, 11, 0)).state is State.OK


@pytest.mark.parametrize(("seconds", "state"), [(5, State.OK), (6, State.WARN), (60, State.WARN), (61, State.FAIL)])
def test_a_clock_is_judged_by_how_far_it_is_off(seconds: int, state: State) -> None:
    assert doctor.clock("the database", NOW + timedelta(seconds=seconds), NOW).state is state
    assert doctor.clock("the database", NOW - timedelta(seconds=seconds), NOW).state is state
