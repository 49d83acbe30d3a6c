"""The calls of the last minute, counted by all processes together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import Connection
from psycopg.rows import class_row

from barhouse.store.queries import queries

query = queries("usage")


@dataclass(frozen=True, slots=True)
class Wish:
    """Calls that a caller wants who may make `most` a minute; `unused` ones of a second are given back."""

    subject: str
    most: int
    wanted: int
    second: int = 0
    unused: int = 0


@dataclass(frozen=True, slots=True)
class Granted:
    """So many calls may be made now; `beyond` those so many are left, and in `wait` seconds there are more."""

    subject: str
    second: int
    calls: int
    beyond: int
    wait: int


def settle(connection: Connection, wishes: Sequence[Wish]) -> list[Granted]:
    """Count what several callers were granted now, each in its turn, so that nobody gets more than its most."""
    subjects = [wish.subject for wish in wishes]
    back = {"seconds": [wish.second for wish in wishes], "unused": [wish.unused for wish in wishes]}
    asked = {"most": [wish.most for wish in wishes], "wanted": [wish.wanted for wish in wishes]}
    connection.execute(query.hurry)
    connection.execute(query.take_turns, {"subjects": subjects})
    connection.execute(query.give_back, {"subjects": subjects, **back})
    with connection.cursor(row_factory=class_row(Granted)) as cursor:
        return cursor.execute(query.grant, {"subjects": subjects, **asked}).fetchall()


def forget(connection: Connection) -> None:
    """Forget the calls that count no more."""
    connection.execute(query.forget)
