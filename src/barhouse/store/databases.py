"""The databases of a server as wholes: made, renamed, dropped, and who is connected to them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import psycopg
from psycopg import Connection, errors, sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from barhouse.errors import BackupFailed, Conflict
from barhouse.store.queries import queries

query = queries("databases")

LOCK = int.from_bytes(b"backups", "big")

SCRATCH = "barhouse_scratch"
"""Where backups are tried; there is one on a server, and it is gone afterwards."""

PATIENCE = 10.0
"""Seconds that connections which were just closed may take to be gone."""

_ENTRANCES = ("postgres", "template1")
"""Databases to stand in while others are renamed."""


class Holdings(NamedTuple):
    """What is in a database: bars, or at least something that a user has left."""

    bars: bool
    anything: bool


def name_of(database_url: str) -> str:
    """The database that a URL names; libpq takes the user's name where there is none."""
    told = conninfo_to_dict(database_url)
    return str(told.get("dbname") or told.get("user") or "postgres")


def beside(database_url: str, name: str) -> str:
    """The same server, role and settings with another database."""
    return make_conninfo(database_url, dbname=name)


@contextmanager
def administered(database_url: str) -> Iterator[Connection]:
    """A connection to the server of `database_url` that stands in none of its warehouses, alone in making copies."""
    with _entered(database_url) as connection:
        connection.execute(query.sole, [LOCK])
        yield connection


def _entered(database_url: str) -> Connection:
    refused = None
    for name in _ENTRANCES:
        try:
            return psycopg.connect(beside(database_url, name), autocommit=True, connect_timeout=10)
        except psycopg.OperationalError as cause:
            refused = refused or cause
    raise BackupFailed(f"PostgreSQL lets us into neither {' nor '.join(_ENTRANCES)}: {_line(refused)}") from refused


@contextmanager
def scratch(admin: Connection, database_url: str) -> Iterator[str]:
    """The URL of an empty database that is gone afterwards, unless it bears another name by then."""
    drop(admin, SCRATCH)
    try:
        admin.execute(_spelled(query.create, name=SCRATCH))
    except errors.InsufficientPrivilege as cause:
        user = admin.info.user
        raise BackupFailed(
            f"The role {user} may not make the database in which a backup is tried: ALTER ROLE {user} CREATEDB"
        ) from cause
    try:
        yield beside(database_url, SCRATCH)
    finally:
        if not admin.closed:
            drop(admin, SCRATCH)


def exists(admin: Connection, name: str) -> bool:
    """Whether there is a database of that name."""
    [(there,)] = admin.execute(query.exists, [name]).fetchall()
    return bool(there)


def users(admin: Connection, name: str) -> list[str]:
    """Who is connected to a database, in words."""
    return [user for (user,) in admin.execute(query.users, [name])]


def holdings(database_url: str) -> Holdings:
    """What is in a database."""
    with psycopg.connect(database_url, autocommit=True, connect_timeout=10) as connection:
        [(there,)] = connection.execute(query.has_bars).fetchall()
        if not there:
            return Holdings(bars=False, anything=False)
        [row] = connection.execute(query.holdings).fetchall()
        return Holdings(*row)


def analyze(database_url: str) -> None:
    """Let the planner know what a fresh copy holds."""
    with psycopg.connect(database_url, autocommit=True, connect_timeout=10) as connection:
        connection.execute(query.analyze)


def swap(admin: Connection, name: str, aside: str | None) -> None:
    """Put the scratch database in the place of `name`, which is kept as `aside` if that is told: both, or neither.

    Conflict (409) if somebody is connected to `name`.
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            with admin.transaction():
                if aside:
                    admin.execute(_spelled(query.rename, name=name, new=aside))
                admin.execute(_spelled(query.rename, name=SCRATCH, new=name))
        except errors.ObjectInUse as cause:
            if time.monotonic() > deadline:
                raise in_use(name, users(admin, name)) from cause
            time.sleep(0.2)
        else:
            return


def in_use(name: str, found: list[str]) -> Conflict:
    """Why a database cannot be replaced now."""
    return Conflict(
        f"The database {name} is in use by {', '.join(found) or 'somebody'}: end that (barhouse up, workers, open "
        "consoles) and restore again; nothing was changed"
    )


def drop(admin: Connection, name: str) -> None:
    """Remove a database, if it is there."""
    try:
        admin.execute(_spelled(query.drop, name=name))
    except errors.InsufficientPrivilege as cause:
        raise BackupFailed(f"The database {name} is another role's: drop it, or run this as its owner") from cause


def _spelled(statement: bytes, **names: str) -> sql.Composed:
    return sql.SQL(statement.decode()).format(**{key: sql.Identifier(name) for key, name in names.items()})


def _line(error: object) -> str:
    return str(error).strip().partition("\n")[0]
