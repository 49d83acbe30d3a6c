"""How the warehouse is, and whether people can be told, at the command line."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

from barhouse.flow.health import health_history
from barhouse.store import incidents
from barhouse.store.postgres import Database
from tests.contract.cli.conftest import Barhouse
from tests.contract.cli.test_demo import AWAY, PROGRAM, environment, line, started
from tests.integration.test_alerts import SECRET, at_once, fail
from tests.receiver import NEVER, receiver

NEARBY = {"BARHOUSE_ALERT_PRIVATE_NETWORKS": "true"}


def test_the_command_looks_tells_and_shows(barhouse: Barhouse, db: Database) -> None:
    assert "Nobody has looked yet" in barhouse("health").stdout
    assert "There never was an alert" in barhouse("alerts", "list").stdout
    fail(db, ["AAPL"])

    with receiver() as there:
        shown = barhouse(
            "health",
            "--run",
            BARHOUSE_ALERT_URLS=there.url,
            BARHOUSE_ALERT_SECRET=SECRET.get_secret_value(),
            **NEARBY,
        )

    assert shown.exit_code == 0, shown.output
    assert "warning" in shown.stdout
    assert "AAPL" in shown.stdout
    assert [each["event"] for each in there.messages] == ["opened"]
    assert "Symbols fail again and again: AAPL stock 3 times" in barhouse("alerts", "list").stdout


def test_a_test_message_says_who_was_reached(barhouse: Barhouse) -> None:
    with receiver() as there:
        both = barhouse(
            "alerts",
            "test",
            BARHOUSE_ALERT_URLS=f"{there.url}, http://127.0.0.1:9/s3cret",
            BARHOUSE_ALERT_SECRET="x",
            **NEARBY,
        )
        one = barhouse("alerts", "test", BARHOUSE_ALERT_URLS=there.url, BARHOUSE_ALERT_SECRET="x", **NEARBY)

    assert (both.exit_code, one.exit_code) == (1, 0)
    assert ": delivered" in both.stdout
    assert "ConnectError" in both.stdout
    assert "s3cret" not in both.output
    assert [each["event"] for each in there.messages] == ["test", "test"]
    assert "set BARHOUSE_ALERT_URLS" in barhouse("alerts", "test").stderr


def until(there: Callable[[], object]) -> None:
    """Wait for something that is to come soon."""
    deadline = time.monotonic() + 180
    while not there():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_up_looks_when_it_has_caught_up_and_tells(tmp_path: Path, db: Database) -> None:
    fail(db, ["AAPL"])
    with receiver() as there:
        own = {"DATABASE_URL": db.url, "BARHOUSE_ALERT_URLS": there.url, "BARHOUSE_ALERT_SECRET": "x", **NEARBY}
        with started([PROGRAM, "up", "--port", "0"], environment(tmp_path, **own, **AWAY)) as process:
            line(process)
            until(lambda: there.posts)
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=120)

    assert [each["rule"] for each in there.messages] == ["symbol_failing"]
    assert len(health_history(db)) == 1
    assert all(event in errors for event in ("health_run_completed", "alert_opened", "alert_delivered"))
    assert "s3cret" not in errors


def test_a_killed_sender_is_followed_by_another_with_the_same_message(
    barhouse: Barhouse, tmp_path: Path, db: Database
) -> None:
    fail(db, ["AAPL"])
    with receiver([NEVER]) as there:
        named = {"BARHOUSE_ALERT_URLS": there.url, "BARHOUSE_ALERT_SECRET": SECRET.get_secret_value(), **NEARBY}
        with started([PROGRAM, "health", "--run"], environment(tmp_path, DATABASE_URL=db.url, **named)) as process:
            until(lambda: there.posts)
            process.kill()
        assert barhouse("health", "--run", **named).exit_code == 0
        assert len(there.posts) == 1
        at_once(db)
        assert barhouse("health", "--run", **named).exit_code == 0

    # The first may have been read or not: told twice is better than never
    assert [each["event"] for each in there.messages] == ["opened", "opened"]
    assert len({each["id"] for each in there.messages}) == 1
    assert [each["status"] for each in incidents.listed_incidents(db)] == ["delivered"]
