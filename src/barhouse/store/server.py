"""The PostgreSQL behind the warehouse, as it describes itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection

from barhouse.store.queries import queries

query = queries("server")


@dataclass(frozen=True, slots=True)
class Server:
    """A PostgreSQL: `number` is its version as 150004 for 15.4, `bytes` what its database weighs."""

    number: int
    version: str
    clock: datetime
    bytes: int


def state(connection: Connection) -> Server:
    """The server at the other end of `connection`, now."""
    number, version, clock, size = connection.execute(query.state).fetchall()[0]
    return Server(number, version, clock, size)


def sizes(connection: Connection, limit: int) -> list[tuple[str, int]]:
    """The heaviest tables with their bytes, indexes included."""
    return connection.execute(query.sizes, {"limit": limit}).fetchall()
