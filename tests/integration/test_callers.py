"""Servers as processes of their own: they share limits, and let nobody in while their database is away."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import psycopg
import pytest

from barhouse.client import Client
from barhouse.errors import KeyNeeded
from barhouse.features import registry
from barhouse.flow import keys
from barhouse.store.keys import Role, Tier
from barhouse.store.migrate import migrate
from barhouse.store.postgres import Database
from tests.servers import debian, free_port, home

SYMBOLS = "/api/v1/symbols"


@contextmanager
def serving(url: str, **settings: object) -> Iterator[httpx.Client]:
    """A server of its own on the loopback, over that database."""
    port = free_port()
    own = {f"BARHOUSE_{name.upper()}": str(value) for name, value in settings.items()}
    command = [sys.executable, "-m", "uvicorn", "barhouse.api.app:create", "--factory", "--port", str(port)]
    environment = {**os.environ, "DATABASE_URL": url, **own}
    with (
        subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=120) as client,
    ):
        try:
            wait(client)
            yield client
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(120)


def wait(client: httpx.Client) -> None:
    end = time.monotonic() + 180
    while time.monotonic() < end:
        try:
            client.get("/health")
        except httpx.ConnectError:
            time.sleep(0.1)
        else:
            return
    pytest.fail("The server did not start")


def bearing(db: Database, name: str, role: str = "read", tier: str = "standard") -> dict[str, str]:
    return {"X-API-Key": keys.create_key(db, name, role=Role(role), tier=Tier(tier), by="test").text}


def test_two_processes_never_let_more_calls_pass_than_one_limit(database_url: str) -> None:
    with (
        Database(database_url) as db,
        serving(database_url, limits__standard=100) as one,
        serving(database_url, limits__standard=100) as other,
        ThreadPoolExecutor(8) as pool,
    ):
        hasty, patient = bearing(db, "hasty"), bearing(db, "patient")
        begun = time.monotonic()
        calls = [pool.submit(each.get, SYMBOLS, headers=hasty) for _ in range(150) for each in (one, other)]
        answers = [call.result() for call in calls]
        took = time.monotonic() - begun
        late = [each.get(SYMBOLS, headers=hasty) for each in (one, other)]
        beside = [each.get(SYMBOLS, headers=patient) for each in (one, other)]
        where = str(one.base_url)
        with Client(where, api_key=bearing(db, "program")["X-API-Key"]) as client:
            assert client.symbols().is_empty()
        with Client(where, api_key="wrong") as client, pytest.raises(KeyNeeded):
            client.symbols()

    counted = Counter(answer.status_code for answer in answers)
    assert set(counted) == {200, 429}
    assert 100 <= counted[200] <= 100 * (1 + int(took + 1) // 60), "a hundred, and as many in each further minute"
    assert [answer.status_code for answer in late] == [429, 429]
    assert all(1 <= int(answer.headers["retry-after"]) <= 60 for answer in late)
    assert [answer.status_code for answer in beside] == [200, 200]
    assert beside[0].headers["ratelimit-limit"] == "100"
    assert beside[0].headers["ratelimit-policy"] == "100;w=60"
    assert {int(answer.headers["ratelimit-remaining"]) for answer in beside} <= {94, 95, 96, 97, 98, 99}


def test_a_database_that_stops_is_503_never_401_and_never_open() -> None:
    with home() as folder, debian(folder) as url:
        migrate(url, {name: feature.sql_type for name, feature in registry.items()})
        with Database(url) as db:
            good = bearing(db, "good", "admin", "unlimited")
        with serving(url) as client:
            before = [client.get(SYMBOLS, headers=headers).status_code for headers in (good, {})]
            stop(url)
            answers = [client.get(SYMBOLS, headers=headers) for headers in (good, {"X-API-Key": "other"})]
            time.sleep(3.5)
            answers += [client.get(path, headers=each) for path in (SYMBOLS, "/docs") for each in (good, {})]
            lives = client.get("/health").status_code

    assert (before, lives) == ([200, 401], 200)
    assert [answer.status_code for answer in answers] == [503] * 6
    assert {answer.headers["retry-after"] for answer in answers} == {"5"}


def stop(url: str) -> None:
    """End a PostgreSQL at once, as a power failure would."""
    with psycopg.connect(url) as connection:
        [(folder,)] = connection.execute("SHOW data_directory").fetchall()
    pid = int(Path(folder, "postmaster.pid").read_text().splitlines()[0])
    os.kill(pid, signal.SIGQUIT)
    time.sleep(0.5)
