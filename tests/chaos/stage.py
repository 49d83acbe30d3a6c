"""A running system of real processes: vendors, PostgreSQL, `barhouse up` and workers, and what befalls them."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psycopg

from barhouse.config import Settings
from barhouse.flow import sessions
from barhouse.flow.track import track
from barhouse.flow.warehouse import opened
from barhouse.store.embedded import running
from tests.chaos import market
from tests.chaos.processes import BARHOUSE, Program
from tests.chaos.scenarios import LEADER, MORE, UP, WORKERS, Act, Kind, Scenario
from tests.chaos.servers import Cluster, Disk, kept
from tests.chaos.watching import Watcher
from tests.integration.embedded_servers import copy, small_disk
from tests.receiver import Receiver, receiver
from tests.servers import free_port

READY = 120.0
"""Seconds that a process gets to answer."""

RESTARTS = 10
"""So often something may end by itself until that is no accident."""

DISK = 400
"""Megabytes of the small disk."""


def made(folder: Path) -> Path:
    """A data directory at rest in which all series are tracked and nothing was brought yet, to be copied."""
    settings = Settings.model_validate({"data_dir": folder / "data", "database_url": None})
    with opened(settings) as db:
        sessions.calendar(db, "XNYS")
        for each in [*(sold.series for sold in market.sold()), market.STRANGER]:
            track(db, [each.instrument], [each.timeframe], market.since(each))
    conf = folder / "data" / "postgres" / "postgresql.conf"
    conf.write_text(f"{conf.read_text()}\ntrack_commit_timestamp = on\nshared_buffers = 64MB\nfsync = off\n")
    return folder / "data"


@dataclass
class Told:
    """What was measured while a scenario was played: recovery times in seconds by what they are of."""

    times: list[tuple[str, float]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class Stage:
    """A system on which acts are played."""

    def __init__(self, folder: Path, cluster: Cluster, disk: Disk | None, vendors: Program, hook: Receiver) -> None:
        self.folder, self.cluster, self.disk, self.vendors, self.hook = folder, cluster, disk, vendors, hook
        self.programs: dict[str, Program] = {}
        self.ports: dict[str, int] = {}
        self.outages: list[tuple[Act, float, float]] = []
        self.killed: list[tuple[str, str, float]] = []
        """Who was killed, as what owner, when."""
        self.zombies: list[str] = []
        self.told = Told()

    @property
    def url(self) -> str:
        """The database, asked past all of our readers."""
        return self.cluster.url

    @property
    def vendor_url(self) -> str:
        """Where the vendors answer."""
        return self.vendors.said().split("\n", 1)[0]

    @property
    def calls(self) -> Path:
        """What the vendors were asked."""
        return self.folder / "calls.log"

    def add(self, name: str, environment: dict[str, str]) -> None:
        """A process of Barhouse that may be started."""
        command = [str(BARHOUSE), name.split("-")[0]]
        if command[1] == "up":
            self.ports[name] = free_port()
            command += ["--port", str(self.ports[name])]
        self.programs[name] = Program(name, command, environment, self.folder / f"{name}.log")

    def leader(self) -> Program:
        """The process that leads the schedules by what the database says, the first `up` if nobody does."""
        try:
            with psycopg.connect(self.url, connect_timeout=2) as connection:
                owners = {owner for (owner,) in connection.execute("SELECT owner FROM scheduler_leader")}
        except psycopg.OperationalError:
            owners = set()
        return next(
            (each for each in self.programs.values() if each.wanted and each.owner in owners), self.programs[UP]
        )

    def follow(self, faults: str) -> None:
        """Let the vendors follow another script."""
        httpx.put(f"{self.vendor_url}/vendor-side/faults", content=faults, trust_env=False).raise_for_status()

    def look_after(self) -> None:
        """Start again what ended by itself, as systemd does."""
        for program in self.programs.values():
            if program.wanted and program.ended is not None and time.time() - program.started_at > 1:
                self.told.notes.append(f"{program.name} ended by itself ({program.ended}): {_last(program)}")
                assert len(self.told.notes) < RESTARTS, "; ".join(self.told.notes)
                program.start()

    def until_ready(self) -> None:
        """Wait until every `up` that is wanted answers, and does its work."""
        self.until(lambda: [name for name in self.ports if self.programs[name].wanted and not self._answers(name)])

    def until(self, missing: Callable[[], list[str]], patience: float = READY) -> None:
        """Wait until nothing is missing any more; it fails by naming it."""
        deadline = time.monotonic() + patience
        while left := missing():
            self.look_after()
            if time.monotonic() > deadline:
                raise AssertionError(f"After {patience:.0f} s there still is: {'; '.join(left)}")
            time.sleep(0.2)

    def _answers(self, name: str) -> bool:
        try:
            answer = httpx.get(f"http://127.0.0.1:{self.ports[name]}/health", timeout=2, trust_env=False)
        except httpx.TransportError:
            return False
        return answer.status_code == 200


def _last(program: Program) -> str:
    lines = program.said().strip().splitlines()
    return lines[-1][:300] if lines else "it said nothing"


@contextmanager
def staged(template: Path, shelf: Path, scenario: Scenario) -> Iterator[Stage]:
    """The system of a scenario, its processes not started yet; all of it ends with the context."""
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    folder.chmod(0o755)  # PostgreSQL runs under an account of its own
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        full = any(act.kind is Kind.FILL_DISK for act in scenario.acts)
        home = stack.enter_context(small_disk(folder / "disk", DISK)) if full else folder
        data_dir = copy(template, home / "data")
        vendors = _vendors(folder, shelf, scenario)
        stack.callback(vendors.stop)
        if scenario.embedded:
            stack.enter_context(running(data_dir))
            cluster = Cluster(data_dir)
        else:
            cluster = stack.enter_context(kept(data_dir))
        stage = Stage(folder, cluster, Disk(home) if full else None, vendors, stack.enter_context(receiver()))
        where = {"BARHOUSE_DATA_DIR": str(data_dir)} if scenario.embedded else {"DATABASE_URL": cluster.url}
        for name in (UP, *WORKERS, *MORE):
            stage.add(name, _environment(stage) | where)
        stack.callback(_end, stage)
        yield stage


def _end(stage: Stage) -> None:
    for program in stage.programs.values():
        program.kill()


def _vendors(folder: Path, shelf: Path, scenario: Scenario) -> Program:
    calls = str(folder / "calls.log")
    command = [sys.executable, "-m", "tests.chaos.vendors", str(shelf), calls, scenario.faults]
    vendors = Program("vendors", command, os.environ, folder / "vendors.log")
    vendors.start()
    deadline = time.monotonic() + READY
    while "\n" not in vendors.said():
        assert vendors.ended is None and time.monotonic() < deadline, vendors.said()
        time.sleep(0.05)
    return vendors


def _environment(stage: Stage) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.upper().startswith(("BARHOUSE_", "DATAB"))}
    places = {f"BARHOUSE_{name}_URL": stage.vendor_url for name in ("POLYGON", "YAHOO", "BINANCE")}
    vendors = {"POLYGON_API_KEY": "k", "BARHOUSE_POLYGON_CALLS_PER_MINUTE": "0", "BARHOUSE_BINANCE_FUTURES_URL": ""}
    return clean | places | vendors | _telling(stage)


def _telling(stage: Stage) -> dict[str, str]:
    return {
        "BARHOUSE_ALERT_URLS": stage.hook.url,
        "BARHOUSE_ALERT_SECRET": "chaos",
        "BARHOUSE_ALERT_PRIVATE_NETWORKS": "true",
    }


def play(stage: Stage, scenario: Scenario) -> None:
    """Start everything, let the acts befall it, and undo them; then measure how long what took to recover."""
    for name in (UP, *WORKERS):
        stage.programs[name].start()
    with Watcher(stage.url) as watcher:
        stage.until(lambda: [] if watcher.looks and watcher.looks[-1].is_busy else ["a backfill that begins"])
        begun = time.monotonic()
        for at, what in _timed(stage, scenario):
            while time.monotonic() - begun < at:
                stage.look_after()
                time.sleep(0.05)
            what()
        stage.until_ready()
        stage.until(lambda: stuck(stage), QUIET)
    _measure(stage, watcher)


def _timed(stage: Stage, scenario: Scenario) -> list[tuple[float, Callable[[], None]]]:
    """What happens and what is undone, in its order; nothing happens to a database that is down."""
    steps: list[tuple[float, Callable[[], None]]] = []
    down = 0.0
    for act in scenario.acts:
        at = max(act.at, down) if not act.who else act.at
        begin, undo = _DOING[act.kind](stage, act)
        steps += [(at, begin), (at + act.lasts, undo)]
        down = at + act.lasts if not act.who else down
    return sorted(steps, key=lambda step: step[0])


Steps = tuple[Callable[[], None], Callable[[], None]]


def _kill(stage: Stage, act: Act) -> Steps:
    struck: list[Program] = []

    def kill() -> None:
        struck.append(program := stage.leader() if act.who == LEADER else stage.programs[act.who])
        stage.killed.append((program.name, program.owner, time.time()))
        program.kill()

    return kill, lambda: struck[0].start()


def _freeze(stage: Stage, act: Act) -> Steps:
    program = stage.programs[act.who]

    def freeze() -> None:
        stage.killed.append((program.name, program.owner, time.time()))
        stage.zombies.append(program.owner)
        program.freeze()

    return freeze, program.thaw


def _double(stage: Stage, act: Act) -> Steps:
    program = stage.programs[act.who]

    def stop() -> None:
        assert program.stop() is not None, f"{program.name} did not end when it was told to"

    return program.start, stop


def _database(stage: Stage, act: Act) -> Steps:
    blow = {
        Kind.KILL_POSTGRES: stage.cluster.kill,
        Kind.ABORT_POSTGRES: stage.cluster.abort,
        Kind.RESTART_POSTGRES: stage.cluster.restart,
    }[act.kind]
    gone: list[float] = []

    def begin() -> None:
        gone.append(time.time())
        blow()

    def undo() -> None:
        stage.cluster.start()
        stage.cluster.until_it_answers()
        stage.outages.append((act, gone.pop(), time.time()))

    return begin, undo


def _disk(stage: Stage, act: Act) -> Steps:
    assert stage.disk
    disk, gone = stage.disk, list[float]()

    def begin() -> None:
        gone.append(time.time())
        disk.fill()

    def undo() -> None:
        disk.free()
        stage.cluster.start()
        stage.cluster.until_it_answers()
        stage.outages.append((act, gone.pop(), time.time()))

    return begin, undo


_DOING: dict[Kind, Callable[[Stage, Act], Steps]] = {
    Kind.KILL: _kill,
    Kind.FREEZE: _freeze,
    Kind.DOUBLE: _double,
    Kind.KILL_POSTGRES: _database,
    Kind.ABORT_POSTGRES: _database,
    Kind.RESTART_POSTGRES: _database,
    Kind.FILL_DISK: _disk,
}

QUIET = 180.0
"""Seconds until all is through: three leases, the vendors' slowness, and a busy machine."""

STUCK = """
SELECT format('execution of %s %s %s by %s, lease until %s', symbol, timeframe, status, owner, lease_expires_at)
FROM backfill_state_persistent WHERE status IN ('pending', 'in_progress')
UNION ALL SELECT format('job %s %s', job_id, status) FROM job_state WHERE status IN ('queued', 'in_progress')
UNION ALL SELECT format('run %s running', execution_id) FROM scheduler_execution_log WHERE status = 'running'
UNION ALL SELECT format('task %s %s in the queue', args, status) FROM barhouse_queue.procrastinate_jobs
UNION ALL SELECT format('message of incident %s %s', incident, status) FROM alert_delivery
WHERE status IN ('waiting', 'sending')
UNION ALL SELECT format('incident %s of which nobody was told', id) FROM alert_incident WHERE status = 'open'
UNION ALL SELECT 'a health run that was not made yet' WHERE NOT EXISTS (SELECT FROM health_run)
LIMIT 10
"""


def stuck(stage: Stage) -> list[str]:
    """What is not through yet."""
    try:
        with psycopg.connect(stage.url, connect_timeout=2) as connection:
            return [line for (line,) in connection.execute(STUCK.encode())]
    except psycopg.OperationalError as error:
        return [f"no database: {error}"]


def _measure(stage: Stage, watcher: Watcher) -> None:
    for name, owner, killed in stage.killed:
        if (seconds := watcher.takeover(owner, killed)) is not None:
            stage.told.times.append((f"series of {name.split('-')[0]}", seconds))
        if (seconds := watcher.succession(owner, killed)) is not None:
            stage.told.times.append(("leader of the schedules", seconds))
    for act, gone, back in stage.outages:
        if (seconds := watcher.going_on(gone, back)) is not None:
            stage.told.times.append((f"after {act.kind}", seconds))
