"""What can be seen of a running system from outside: who is at what, and when it went on after a blow."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import Any, Self

import psycopg
from psycopg.rows import dict_row

EVERY = 0.2
"""Seconds between two looks."""

STANDING = """
SELECT execution_id::text AS id, owner, status, extract(epoch FROM heartbeat_at)::float8 AS beat,
       records_inserted, bars_done
FROM backfill_state_persistent
"""

LEADER = "SELECT owner FROM scheduler_leader WHERE NOT resigned AND heartbeat_at > clock_timestamp() - interval '4 s'"
"""Who leads the schedules, and has just given a sign of life."""


@dataclass(frozen=True, slots=True)
class Look:
    """How the executions stood at an instant, and who led."""

    at: float
    executions: dict[str, dict[str, Any]]
    leader: str | None = None

    def of(self, owner: str) -> set[str]:
        """The executions that a process was at."""
        return {key for key, row in self.executions.items() if (row["owner"], row["status"]) == (owner, "in_progress")}

    @property
    def progress(self) -> tuple[int, int]:
        """How much has been done altogether."""
        rows = self.executions.values()
        return sum(row["status"] in ("completed", "failed") for row in rows), sum(row["bars_done"] for row in rows)

    @property
    def is_busy(self) -> bool:
        """Whether there is something left to do."""
        return any(row["status"] in ("pending", "in_progress") for row in self.executions.values())


@dataclass
class Watcher:
    """Looks again and again, as long as there is a database to be looked at."""

    url: str
    looks: list[Look] = field(default_factory=list)
    _over: Event = field(default_factory=Event)

    def __enter__(self) -> Self:
        self._thread = Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(EVERY):
            try:
                with psycopg.connect(self.url, connect_timeout=2, row_factory=dict_row) as connection:
                    rows = connection.execute(STANDING.encode()).fetchall()
                    leader = connection.execute(LEADER.encode()).fetchone()
            except psycopg.Error:
                continue
            led = leader["owner"] if leader else None
            self.looks.append(Look(time.time(), {row["id"]: row for row in rows}, led))

    def before(self, moment: float) -> Look:
        """The latest look until then."""
        return next((look for look in reversed(self.looks) if look.at <= moment), Look(moment, {}))

    def takeover(self, owner: str, killed: float) -> float | None:
        """Seconds until others were at, or through with, all that a killed process was at; None if that was nothing."""
        held = self.before(killed).of(owner)
        if not held:
            return None
        after = (look for look in self.looks if look.at > killed and not look.of(owner) & held)
        return next((look.at - killed for look in after), None)

    def succession(self, owner: str, killed: float) -> float | None:
        """Seconds until another process led after the leader was killed; None if that was not the leader."""
        if self.before(killed).leader != owner:
            return None
        after = (look for look in self.looks if look.at > killed and look.leader not in (None, owner))
        return next((look.at - killed for look in after), None)

    def going_on(self, gone: float, back: float) -> float | None:
        """Seconds until something was done again after the database came back; None if nothing was left to do."""
        before = self.before(gone)
        if not before.is_busy:
            return None
        after = (look for look in self.looks if look.at > back and look.progress != before.progress)
        return next((look.at - back for look in after), None)
