"""What a database holds, as counts and checksums that tell two copies of it apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import psycopg
from psycopg import Connection, sql

from barhouse.model import Timeframe
from barhouse.store.migrate import ledger
from barhouse.store.queries import queries
from barhouse.store.server import state

query = queries("fingerprint")


class Count(NamedTuple):
    """So many rows, and the sum of the 64-bit hashes of their texts: the same in whatever order they lie."""

    rows: int
    checksum: str


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """A database at one instant: each table by its name with its schema, and the bars of each series."""

    ledger: Mapping[str, str]
    bytes: int
    server: str
    tables: Mapping[str, Count]
    series: Mapping[str, Count]

    def differences(self, other: Fingerprint) -> list[str]:
        """What is not the same in `other`, in words; nothing if they hold the same."""
        mine, its = {**self.tables, **self.series}, {**other.tables, **other.series}
        return [_told(name, mine.get(name), its.get(name)) for name in mine | its if mine.get(name) != its.get(name)]


def _told(name: str, mine: Count | None, its: Count | None) -> str:
    if mine is None or its is None:
        return f"{name} is {'only in the copy' if mine is None else 'not in the copy'}"
    if mine.rows != its.rows:
        return f"{name} had {mine.rows:,} rows, the copy has {its.rows:,}"
    return f"{name} has other values in the copy"


@contextmanager
def seen(database_url: str) -> Iterator[tuple[Connection, str]]:
    """A connection that sees one instant of a database, and the name of that snapshot for others to see the same."""
    with psycopg.connect(database_url, autocommit=True, connect_timeout=10) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        with connection.transaction():
            connection.execute(query.settle)
            [(snapshot,)] = connection.execute(query.snapshot).fetchall()
            yield connection, snapshot


def taken(connection: Connection, look: Callable[[int, int], object]) -> Fingerprint:
    """The fingerprint of what a connection out of `seen` sees; `look` is told how many tables of all are through."""
    tables, server = connection.execute(query.tables).fetchall(), state(connection)
    counts = {}
    for done, (schema, name) in enumerate(tables):
        look(done, len(tables))
        counts[f"{schema}.{name}"] = _count(connection, schema, name)
    series = {
        f"{symbol} {asset_class} {Timeframe.by_code(code)}": Count(bars, checksum)
        for symbol, asset_class, code, bars, checksum in connection.execute(query.series)
    }
    look(len(tables), len(tables))
    return Fingerprint(ledger(connection), server.bytes, server.version, counts, series)


def _count(connection: Connection, schema: str, name: str) -> Count:
    statement = sql.SQL(query.table.decode()).format(table=sql.Identifier(schema, name))
    [row] = connection.execute(statement).fetchall()
    return Count(*row)
