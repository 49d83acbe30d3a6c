"""Barhouse as a user runs it, for a browser to look at: `barhouse up` over a database, with vendors on this machine."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg

from barhouse.api import vendor_side
from barhouse.flow.track import track
from barhouse.model import Series
from barhouse.store.postgres import Database
from tests.chaos import market
from tests.chaos.processes import BARHOUSE, Program
from tests.servers import Server, free_port

PATIENCE = 60.0
"""Seconds that something gets to come true on a busy machine."""


@dataclass(frozen=True)
class System:
    """What runs: the address of the dashboard, that of the vendors, and the database past all of it."""

    address: str
    vendors: str
    database_url: str

    def follow(self, faults: str) -> None:
        """Let the vendors follow another script of faults (docs/faults.md); an empty one ends them."""
        httpx.put(f"{self.vendors}/vendor-side/faults", content=faults, trust_env=False).raise_for_status()

    def ask(self, question: str, *values: object) -> list[tuple[Any, ...]]:
        """What the database answers, asked past Barhouse."""
        with psycopg.connect(self.database_url) as connection:
            cursor = connection.execute(question.encode(), values)
            return cursor.fetchall() if cursor.description else []

    def track(self, series: Sequence[Series]) -> None:
        """Keep series up to date from now on, from their first bar on."""
        with Database(self.database_url) as db:
            for each in series:
                track(db, [each.instrument], [each.timeframe], market.since(each))


def until(what: str, is_true: Callable[[], object], patience: float = PATIENCE) -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + patience
    while not is_true():
        assert time.monotonic() < deadline, f"After {patience:.0f} s there still is no {what}"
        time.sleep(0.05)


@contextmanager
def running(server: Server, shelf: Path, folder: Path, *tracked: Series) -> Iterator[System]:
    """A system in which these series are tracked and were brought; `shelf` holds what the vendors sell."""
    with ExitStack() as stack:
        database_url = stack.enter_context(server.database())
        vendors = stack.enter_context(vendor_side.running(shelf))
        port = free_port()
        system = System(f"http://127.0.0.1:{port}", vendors, database_url)
        system.track(tracked)
        command = [str(BARHOUSE), "up", "--port", str(port)]
        program = Program("up", command, _environment(system), folder / "up.log")
        program.start()
        stack.callback(program.kill)
        until(f"answer: {program.said()}", lambda: program.ended is not None or _answers(system))
        assert program.ended is None, program.said()
        until("end of the first backfill", lambda: _brought(system) == len(tracked))
        yield system


def _environment(system: System) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.upper().startswith(("BARHOUSE_", "DATAB"))}
    places = {f"BARHOUSE_{name}_URL": system.vendors for name in ("POLYGON", "YAHOO", "BINANCE")}
    once = {f"BARHOUSE_VENDORS__{name}__ATTEMPTS": "1" for name in ("POLYGON", "YAHOO", "BINANCE")}
    polygon = {"POLYGON_API_KEY": "k", "BARHOUSE_POLYGON_CALLS_PER_MINUTE": "0", "BARHOUSE_BINANCE_FUTURES_URL": ""}
    rarely = {"BARHOUSE_HEALTH_SCHEDULE": "0 0 29 2 *"}  # an alert of what a test breaks would outlast the test
    return clean | places | once | polygon | rarely | {"DATABASE_URL": system.database_url}


def _answers(system: System) -> bool:
    try:
        return httpx.get(f"{system.address}/ready", timeout=2, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def _brought(system: System) -> int:
    [(count,)] = system.ask("SELECT count(*) FROM backfill_state_persistent WHERE status = 'completed'")
    return int(count)
