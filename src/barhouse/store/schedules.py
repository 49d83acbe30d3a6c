"""Schedules: when each fires next, who leads, what is paused. Firing is the leader's; the rest is anybody's."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row, dict_row
from psycopg.types.json import Jsonb

from barhouse.store.queries import queries

query = queries("schedules")

LOCK = int.from_bytes(b"leader", "big")
"""The advisory lock of who leads; it goes with its session."""

LEASE = timedelta(seconds=10)
"""So long a leader is taken to live after its last sign of life."""

SILENCE = timedelta(seconds=15)
"""A leader that stands still for so long is put out, though its connection lives."""


class Name(StrEnum):
    """The schedules there are."""

    BACKFILL = "backfill"
    ENRICHMENT = "enrichment"
    CRITICAL = "critical"
    LARGE = "large"
    HEALTH = "health"
    RETENTION = "retention"


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule as it stands. `next_fire_at` holds though it is paused: then nothing comes of it."""

    name: str
    cron: str
    enabled: bool
    follows: str | None
    paused_at: datetime | None
    paused_by: str | None
    next_fire_at: datetime | None
    last_fired_at: datetime | None
    fired: int
    fired_by: str | None
    job_id: str | None
    job_status: str | None
    last_result: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Standing:
    """Who leads, and all schedules: none of them before anybody has ever led."""

    running: bool
    """Whether the leader has shown lately that it lives."""
    leader: str | None
    since: datetime | None
    schedules: list[Schedule]
    differs: dict[str, list[str]] = field(default_factory=dict)
    """Who else would lead, with settings other than the leader's, and in what they differ."""

    def named(self, name: str) -> Schedule | None:
        """The schedule of that name, None before anybody has ever led."""
        return next((each for each in self.schedules if each.name == name), None)


@dataclass(frozen=True, slots=True)
class Arranged:
    """A schedule as its leader has it in the settings."""

    name: Name
    cron: str
    enabled: bool
    follows: Name | None
    next: datetime | None


@dataclass(frozen=True, slots=True)
class Due:
    """A schedule whose time has come: the rest is what it looked like then."""

    name: Name
    next_fire_at: datetime | None
    followed_at: datetime | None
    paused: bool
    job_id: UUID | None
    after: datetime | None


def standing(connection: Connection) -> Standing:
    """Who leads, and how all schedules stand."""
    with connection.cursor(row_factory=class_row(Schedule)) as cursor:
        schedules = cursor.execute(query.listed, {"order": list(Name)}).fetchall()
    row = connection.execute(query.leader, {"lease": LEASE}).fetchone()
    owner, since, _, lives = row or (None, None, None, False)
    others: list[tuple[str, list[str]]] = connection.execute(query.dissenters, {"lease": LEASE}).fetchall()
    return Standing(bool(lives), owner, since, schedules, dict(others) if lives else {})


def pause(connection: Connection, names: Collection[str], by: str) -> list[str]:
    """Let some schedules fire no more until they are resumed, by whom; those that were not paused before."""
    connection.execute(query.ensure, {"names": list(names)})
    return [name for (name,) in connection.execute(query.pause, {"names": list(names), "by": by})]


def resume(connection: Connection, names: Collection[str]) -> list[str]:
    """Let some schedules fire again; those that were paused."""
    return [name for (name,) in connection.execute(query.resume, {"names": list(names)})]


def watch(connection: Connection) -> None:
    """Let the server notice within seconds when the machine at the other end of this session is gone."""
    connection.execute(query.detect)


def lead(connection: Connection, owner: str, settings: Mapping[str, Any]) -> bool:
    """Whether this session leads from now on; a leader that stands still is put out, for the next one who asks."""
    row = connection.execute(query.lead, {"lock": LOCK}).fetchone()
    if row is None or not row[0]:
        connection.execute(query.depose, {"lock": LOCK, "silence": SILENCE})
        return False
    connection.execute(query.enthrone, {"owner": owner, "settings": Jsonb(settings)})
    connection.execute(query.agree, {"owner": owner})
    return True


def beat(connection: Connection) -> datetime | None:
    """The instant by the clock of the database, with a sign of life; None where somebody else leads."""
    row = connection.execute(query.beat).fetchone()
    return row[0] if row else None


def resign(connection: Connection) -> None:
    """Say that this leader ends, so that nobody takes it to live on."""
    connection.execute(query.resign)


def settings(connection: Connection) -> Mapping[str, Any] | None:
    """The settings of the leader; None where nobody leads."""
    row = connection.execute(query.leader, {"lease": LEASE}).fetchone()
    return row[2] if row and row[3] else None


def dissent(connection: Connection, owner: str, differs: Sequence[str]) -> None:
    """Say in what the settings of somebody who does not lead differ from the leader's."""
    if differs:
        connection.execute(query.dissent, {"owner": owner, "differs": list(differs)})
    else:
        connection.execute(query.agree, {"owner": owner})


def look(connection: Connection) -> None:
    """Let the health schedule fire at once, unless it did so within the hour."""
    connection.execute(query.look)


def clock(connection: Connection) -> datetime:
    """The instant by the clock of the database."""
    [(now,)] = connection.execute(query.now).fetchall()
    return now  # type: ignore[no-any-return]


def arrange(connection: Connection, every: Iterable[Arranged], classes: Mapping[str, str], now: datetime) -> None:
    """Make the schedules, and the order of symbols in the queue, those of the leader.

    What is past its time keeps that, and so fires at once, once.
    """
    rows = sorted(every, key=lambda each: each.follows is not None)
    told = {
        "names": [each.name for each in rows],
        "crons": [each.cron for each in rows],
        "enabled": [each.enabled for each in rows],
        "follows": [each.follows for each in rows],
        "nexts": [each.next for each in rows],
        "now": now,
    }
    connection.execute(query.arrange, told)
    connection.execute(query.forget_classes)
    connection.execute(query.classify, {"symbols": list(classes), "classes": list(classes.values())})


def due(connection: Connection, now: datetime) -> list[Due]:
    """The schedules whose time has come, and those that follow one whose job has ended; paused ones too."""
    return [Due(Name(name), *rest) for name, *rest in connection.execute(query.due, {"now": now})]


def advance(connection: Connection, each: Due, following: datetime | None) -> bool:
    """Move a schedule on to its next time; False if somebody else has done so, who then fires it."""
    told = {"name": each.name, "seen": each.next_fire_at, "followed": each.followed_at, "after": each.after}
    return connection.execute(query.advance, told | {"next": following}).rowcount == 1


def fire(
    connection: Connection,
    name: str,
    now: datetime,
    by: str,
    result: Mapping[str, Any],
    *,
    job: str | None = None,
    is_open: bool = False,
) -> None:
    """Write down that a schedule has fired; one that is open is still for the leader itself to do."""
    told = {"name": name, "now": now, "by": by, "job": job, "open": is_open, "result": Jsonb(result)}
    connection.execute(query.fire, told)


def left_open(connection: Connection) -> list[Name]:
    """What has fired and the leader itself still has to do."""
    return [Name(name) for (name,) in connection.execute(query.left_open)]


def close(connection: Connection, name: str, result: Mapping[str, Any]) -> None:
    """Write down what came of what the leader did itself."""
    connection.execute(query.close, {"name": name, "result": Jsonb(result)})


def last_backfill(connection: Connection) -> dict[str, Any] | None:
    """What the last daily backfill that has ended came to; None before the first."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query.last_backfill).fetchone()


def classes(connection: Connection) -> dict[str, str]:
    """The symbols that are fetched before others, each with its class."""
    return dict(connection.execute(query.classes).fetchall())
