"""Vendors' quotas: one log of calls for all processes, on the clock of the database."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from psycopg import Connection
from psycopg.rows import dict_row

from barhouse.resilience.pace import Allowance
from barhouse.store.postgres import Database
from barhouse.store.queries import queries

query = queries("quotas")


class Told(NamedTuple):
    """When a ticket may leave: in `wait` seconds; the vendor wants quiet for `held`; `used` is then taken.

    Never, where the vendor refused the key or address: for `refused` more seconds nobody asks, it said `why`.
    """

    wait: float
    held: float
    used: int
    refused: float = 0.0
    why: str = ""


def ask(db: Database, allowance: Allowance, ticket: UUID, *, weight: int = 1, first: bool = True) -> Told:
    """When the call with this `ticket` may leave; one that need not wait has left. Who waited asks again, not `first`.

    In the order of asking; one transaction in two round trips. Without a limit nothing that is lost matters, so
    nobody waits for the disk.
    """
    statement = query.within_a_minute if allowance.by_the_clock else query.within_a_window
    asked = {**asdict(allowance), "ticket": ticket, "weight": weight, "first": first}
    with db.connection() as connection, connection.pipeline(), connection.transaction():
        if not allowance.most:
            connection.execute(query.quickly)
        taken = connection.execute(query.take, {**asked, "sends": int(first), "refusals": 0})
        answer = connection.execute(statement, asked)
    [told], [refusal] = answer.fetchall(), taken.fetchall()
    return Told(*told, *refusal)


def withdraw(db: Database, ticket: UUID) -> None:
    """Take a ticket back that nobody will use."""
    with db.connection() as connection:
        connection.execute(query.withdraw, {"ticket": ticket})


def hold(db: Database, allowance: Allowance, wait: float) -> None:
    """Let no call leave for so many seconds, in any process: the vendor refused one."""
    asked = {**asdict(allowance), "sends": 0, "refusals": 1, "wait": wait}
    with db.connection() as connection, connection.pipeline(), connection.transaction():
        connection.execute(query.take, asked)
        connection.execute(query.hold, asked)


def refuse(connection: Connection, allowance: Allowance, wait: float, why: str) -> None:
    """Let nobody ask for so many seconds, in any process: the vendor refused the key or address, and said `why`."""
    connection.execute(query.take, {**asdict(allowance), "sends": 0, "refusals": 0})
    connection.execute(query.refuse, {**asdict(allowance), "wait": wait, "why": why})


def reopen(connection: Connection) -> None:
    """Let everybody ask again with the keys and addresses that vendors refused: they may have been mended there."""
    connection.execute(query.reopen)


def correct(db: Database, allowance: Allowance, used: int) -> None:
    """Let the weight of this clock minute be what the vendor counted, if that is more than was let out."""
    asked = {**asdict(allowance), "sends": 0, "refusals": 0, "used": used, "ticket": uuid4()}
    with db.connection() as connection, connection.pipeline(), connection.transaction():
        connection.execute(query.take, asked)
        connection.execute(query.correct, asked)


def of_today(connection: Connection, source: str, holder: str) -> tuple[int, int]:
    """How many calls of today left for a key or an address, and how many of them were too many."""
    row = connection.execute(query.of_today, {"source": source, "holder": holder}).fetchone()
    return row or (0, 0)


def standing(db: Database) -> list[dict[str, Any]]:
    """How each quota stands now."""
    with db.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query.standing).fetchall()
