"""`barhouse demo`, from an empty directory to a dashboard, killed on its way."""

from __future__ import annotations

import csv
import gzip
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import httpx
import polars as pl
import pytest

from tests.contract.cli.conftest import NOWHERE, Barhouse, without_settings
from tests.vendors import Reply, vendor

PROGRAM = str(Path(sys.executable).with_name("barhouse"))
HOME = Path(__file__).parents[3]
AWAY = {"BARHOUSE_YAHOO_URL": NOWHERE, "BARHOUSE_BINANCE_URL": NOWHERE}


def environment(home: Path, **variables: str) -> dict[str, str]:
    """Nothing is set but where the data go."""
    inherited = {name: value for name, value in os.environ.items() if name not in without_settings()}
    return {**inherited, "BARHOUSE_DATA_DIR": str(home), "COLUMNS": "120", **variables}


@contextmanager
def started(command: list[str], env: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A process that ends with the test."""
    with subprocess.Popen(
        command,
        env=env,
        cwd=HOME,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def line(process: subprocess.Popen[str]) -> str:
    """The next line that it prints; its complaint if it ended instead."""
    assert process.stdout is not None
    assert process.stderr is not None
    return process.stdout.readline() or pytest.fail(process.stderr.read())


@dataclass(frozen=True, slots=True)
class Demos:
    """What a demo said that was killed while it kept bars, the one after it, and the one after that."""

    home: Path
    killed: str
    completed: subprocess.CompletedProcess[str]
    again: subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def demos(tmp_path_factory: pytest.TempPathFactory) -> Demos:
    home = tmp_path_factory.mktemp("demo")
    with started([PROGRAM, "demo", "--once"], environment(home)) as process:
        killed = [line(process), line(process)]
        process.send_signal(signal.SIGKILL)
    return Demos(home, "".join(killed), once(home), once(home))


def once(home: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [PROGRAM, "demo", "--once", *options]
    return subprocess.run(command, env=environment(home), cwd=HOME, capture_output=True, text=True, check=False)


def packaged() -> Counter[str]:
    """How many bars the package has of each stock, read without our code."""
    packed = (files("bokeh_sampledata") / "_data" / "stocks.csv.gz").read_bytes()
    return Counter(row["Ticker"] for row in csv.DictReader(gzip.decompress(packed).decode().splitlines()))


def counts(told: str) -> dict[str, int]:
    """The bars of each series in the summary."""
    return {
        name: int(bars.replace(",", ""))
        for name, bars in re.findall(r"^(\w+) 1d +([\d,]+) +\d{4}-", told, re.MULTILINE)
    }


def test_a_killed_demo_is_completed_by_the_next(demos: Demos) -> None:
    assert demos.killed.startswith("Warehouse ready")
    assert demos.completed.returncode == 0, demos.completed.stderr
    assert counts(demos.completed.stdout) == packaged()
    assert demos.completed.stderr == ""


def test_a_second_demo_asks_no_vendor(demos: Demos) -> None:
    assert demos.again.returncode == 0, demos.again.stderr
    assert "Everything was there already: 0 calls to the vendors." in demos.again.stdout
    told = [
        [line for line in run.stdout.splitlines() if line.startswith("Judged")]
        for run in (demos.completed, demos.again)
    ]
    assert told[0] == told[1]
    assert "outliers (MSFT 1d)" in told[0][0]
    assert counts(demos.again.stdout) == packaged()


def test_the_demo_gets_through_faults_of_its_vendors(tmp_path: Path) -> None:
    under = once(tmp_path, "--faults", "cut last=1 each=yes path=aggs; latency seconds=0.01")

    assert under.returncode == 0, under.stderr
    assert counts(under.stdout) == packaged()
    # where three of the first five calls fail the circuit opens, and the next vendor is asked
    assert re.search(r"[345] × cut", under.stdout)  # noqa: RUF001


def test_a_script_that_cannot_be_read_ends_the_demo_before_it_begins(tmp_path: Path) -> None:
    refused = once(tmp_path, "--faults", "cutt")

    assert refused.returncode == 1
    assert refused.stderr.startswith("error No fault 'cutt'; known are latency")
    assert list(tmp_path.iterdir()) == []


def test_the_demo_serves_on_a_free_port_and_its_three_commands_work(
    demos: Demos, listener: socket.socket, tmp_path: Path
) -> None:
    with started([PROGRAM, "demo", "--port", port(listener)], environment(demos.home)) as process:
        address, commands = dashboard(process)
        health = httpx.get(f"{address}/health", trust_env=False)
        page = httpx.get(address, trust_env=False, follow_redirects=True)
        commands[2] = commands[2].replace("msft.parquet", str(tmp_path / "msft.parquet"))
        said = [pasted(command, environment(tmp_path)) for command in commands]
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=120)

    assert port(listener) not in address
    assert health.status_code == 200
    assert "AAPL" in page.text
    assert said[0].startswith("AAPL 1d stock")
    assert '"symbol":"AAPL"' in said[1]
    assert pl.read_parquet(tmp_path / "msft.parquet").height == packaged()["MSFT"]
    assert process.returncode == 130
    assert errors == "stopped; what was kept stays\n"


def pasted(command: str, env: dict[str, str]) -> str:
    """What a command says in another terminal."""
    return subprocess.run(command, shell=True, capture_output=True, text=True, cwd=HOME, env=env, check=True).stdout


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Somebody else on a port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield taken


def port(listener: socket.socket) -> str:
    return str(listener.getsockname()[1])


def dashboard(process: subprocess.Popen[str]) -> tuple[str, list[str]]:
    """The address that was printed, and the three commands to try next."""
    told = ""
    while told.count("\n  ") < 3:
        told += line(process)
    found = re.search(r"Dashboard: (\S+)", told)
    assert found is not None
    return found[1], [each.strip() for each in told.splitlines() if each.startswith("  ")]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM], ids=lambda how: how.name)
def test_up_serves_what_is_there_and_ends_when_told(demos: Demos, how: signal.Signals) -> None:
    with started([PROGRAM, "up", "--port", "0"], environment(demos.home / "demo", **AWAY)) as process:
        address = line(process).split()[1]
        answer = httpx.get(f"{address}/api/v1/historical/IBM?limit=1", trust_env=False)
        process.send_signal(how)
        _, errors = process.communicate(timeout=120)

    assert answer.json()["count"] == 1
    assert process.returncode == 130
    assert "Traceback" not in errors


def test_up_begins_with_nothing_tracked_as_main_does(tmp_path: Path, database_url: str) -> None:
    env = environment(tmp_path, DATABASE_URL=database_url, BARHOUSE_PORT="0")
    with started([sys.executable, "main.py"], env) as process:
        address, admission, hint = line(process).split()[1], line(process), line(process)
        ready = httpx.get(f"{address}/ready", trust_env=False)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=120)

    assert ready.status_code == 200
    assert admission.startswith("The API is open to everybody on this machine")
    assert hint.startswith("Nothing is tracked yet: barhouse track")


def test_up_says_that_its_port_is_taken(barhouse: Barhouse, listener: socket.socket) -> None:
    told = barhouse("up", "--port", port(listener))

    assert told.exit_code == 1
    assert told.stderr == f"error Port {port(listener)} is taken; end what listens there, or name another with --port\n"


def test_up_is_not_open_to_other_machines_unless_told(barhouse: Barhouse) -> None:
    told = barhouse("up", "--host", "0.0.0.0", "--port", "0")

    assert told.exit_code == 1
    assert "--insecure" in told.stderr


def test_a_backfill_ends_at_once_when_told(tmp_path: Path, database_url: str) -> None:
    with vendor(Reply(stall=60)) as slow:
        env = environment(tmp_path, DATABASE_URL=database_url, BARHOUSE_YAHOO_URL=slow.url)
        with started([PROGRAM, "backfill", "AAPL", "--from", "2024-01-02"], env) as process:
            while not slow.calls:
                time.sleep(0.05)
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=120)

    assert process.returncode == 130
    assert errors == "stopped; what was kept stays\n"
