"""Incidents, and the messages about them: claimed before they are sent, marked when they were delivered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row, dict_row

from barhouse.model import Incident
from barhouse.store.failures import ALARMING
from barhouse.store.postgres import Database
from barhouse.store.queries import queries

query = queries("incidents")


@dataclass(frozen=True, slots=True)
class Claimed:
    """A message that is ours to send for a minute; `id` stays the same however often it is tried."""

    number: int
    id: str
    channel: str
    event: str
    attempts: int
    incident: str
    rule: str
    cause: str
    severity: str
    message: str
    subjects: Sequence[str]
    opened_at: datetime
    over_at: datetime | None


def take_turns(connection: Connection) -> None:
    """Wait until this transaction is the only one that decides what is an incident."""
    connection.execute(query.take_turns)


def known(connection: Connection) -> list[Incident]:
    """The incidents that are not over, oldest first."""
    rows = connection.execute(query.known)
    return [
        Incident(rule, cause, severity, words, tuple(subjects), key)
        for rule, cause, severity, words, subjects, key in rows
    ]


def begin(connection: Connection, new: Sequence[Incident], now: datetime) -> int:
    """Open incidents; how many were not open yet."""
    told = {
        "rules": [each.rule for each in new],
        "causes": [each.cause for each in new],
        "severities": [each.severity for each in new],
        "messages": [each.message for each in new],
        "subjects": _joined(new),
        "now": now,
    }
    return connection.execute(query.begin, told).rowcount


def change(connection: Connection, changed: Sequence[Incident]) -> None:
    """Let incidents have other subjects."""
    connection.execute(query.change, {"ids": [each.id for each in changed], "subjects": _joined(changed)})


def end(connection: Connection, over: Sequence[Incident], now: datetime) -> None:
    """End incidents; who was told of one will be told that it is over."""
    connection.execute(query.end, {"ids": [each.id for each in over], "now": now})


def _joined(incidents: Sequence[Incident]) -> list[str]:
    """The subjects of each, since PostgreSQL has no arrays of arrays that differ in length."""
    return ["\n".join(each.subjects) for each in incidents]


def address(connection: Connection, channels: Sequence[str]) -> None:
    """Make a message for each channel of each incident that nobody has been told of."""
    connection.execute(query.address, {"channels": list(channels)})


def claim(db: Database, channels: Sequence[str]) -> Claimed | None:
    """The next message to be sent by one of these channels, now ours; None if none is due."""
    with db.connection() as connection, connection.cursor(row_factory=class_row(Claimed)) as cursor:
        return cursor.execute(query.claim, {"channels": list(channels)}).fetchone()


def delivered(db: Database, message: Claimed) -> None:
    """Mark a message, its incident, and the failing symbols in it, as told."""
    with db.connection() as connection:
        connection.execute(query.delivered, {"id": message.number, "alarming": ALARMING})


def failed(db: Database, message: Claimed, error: str) -> None:
    """Give a message back, to be tried again later."""
    told = {"id": message.number, "attempts": message.attempts, "error": error}
    with db.connection() as connection:
        connection.execute(query.failed, told)


def listed_incidents(db: Database, *, status: str | None = None, limit: int = 50) -> list[dict[str, Any]]:
    """The latest incidents, newest first, with what was told of them to whom."""
    with db.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query.listed, {"status": status, "limit": limit}).fetchall()


def deliveries(db: Database, limit: int = 50) -> list[dict[str, Any]]:
    """The latest messages to people, newest first.

    `id, channel, event, status, attempts, error, created_at, delivered_at, next_try_at` and, of their incident, `rule,
    cause, severity, message`.
    """
    with db.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query.deliveries, {"limit": limit}).fetchall()
