"""The schema, brought up to date under a lock; a ledger says what was applied, and from which text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType

import psycopg
from psycopg import Connection, errors

from barhouse.errors import MigrationError
from barhouse.store.queries import queries
from barhouse.store.steps import FEATURE, Step, columns, migrations

LOCK = int.from_bytes(b"barhouse", "big")
OLDEST = 13
"""The first major version of PostgreSQL that has all we use."""

Statement = tuple[bytes, Sequence[str] | None]

_FORBIDDEN = (errors.InsufficientPrivilege, errors.InvalidSchemaName)

NO_FEATURES: Mapping[str, str] = MappingProxyType({})


def _silent(_: str) -> None:
    """Tell nobody."""


def migrate(database_url: str, features: Mapping[str, str], report: Callable[[str], object] = _silent) -> None:
    """Bring the schema up to date, and give each of `features` (name to SQL type) its column.

    Each step is kept whole or not at all; runners that start together wait for each other.
    `report` is told what is done, line by line. MigrationError says what is in the way, and the mend.
    """
    steps = [*migrations(), *columns(features)]
    with _sole_runner(database_url) as connection:
        applied = _ledger(connection)
        _agree(steps, applied)
        for step in steps:
            if step.name not in applied:
                report(f"Running migration: {step.name}")
                _apply(connection, step)
                report("  ✓ Completed")


def pending(connection: Connection, features: Mapping[str, str] = NO_FEATURES) -> list[str]:
    """The steps that are not in the ledger yet, in the order in which they will be applied."""
    applied = ledger(connection)
    return [step.name for step in [*migrations(), *columns(features)] if step.name not in applied]


def ledger(connection: Connection) -> dict[str, str]:
    """The checksums of what was applied, by name; empty where nothing ever was."""
    return _applied(connection) if _has_ledger(connection) else {}


def unknown(connection: Connection) -> list[str]:
    """The migrations that a newer Barhouse brought to this database, or another one; this one must leave it alone."""
    return _unknown(migrations(), ledger(connection))


def agree(applied: Mapping[str, str]) -> None:
    """See to it that a schema with this ledger is not newer than this Barhouse, nor another's; MigrationError if so."""
    _agree(migrations(), applied)


def widths(database_url: str, tables: Sequence[str]) -> dict[str, int | None]:
    """How many columns each of `tables` has, None for one that is not there."""
    with _connected(database_url) as connection:
        return dict(connection.execute(queries("migrations").columns, [list(tables)]).fetchall())


@contextmanager
def _sole_runner(database_url: str) -> Iterator[Connection]:
    """A connection that holds the lock of the migrations until it is closed."""
    with _connected(database_url) as connection:
        if connection.info.server_version < OLDEST * 10_000:
            server = connection.info.parameter_status("server_version")
            raise MigrationError(f"This is PostgreSQL {server}; Barhouse needs {OLDEST} or newer")
        connection.execute(queries("migrations").lock, [LOCK])
        yield connection


@contextmanager
def _connected(database_url: str) -> Iterator[Connection]:
    """A connection of our own; what goes wrong on it is a MigrationError that never shows the password."""
    try:
        with psycopg.connect(database_url, autocommit=True, connect_timeout=10) as connection:
            yield connection
    except psycopg.OperationalError as cause:
        raise MigrationError(
            f"PostgreSQL is away: {_first_line(cause)}. What was applied is kept; start it and run this again"
        ) from None
    except errors.InsufficientPrivilege as cause:
        raise MigrationError(f"{_first_line(cause)}; run this as the role that owns it") from cause
    except psycopg.ProgrammingError:
        raise MigrationError("DATABASE_URL is no PostgreSQL URL: postgresql://user:password@host/name") from None


def _ledger(connection: Connection) -> dict[str, str]:
    """The checksums of what was applied, by name; the ledger is made where there is none."""
    if not _has_ledger(connection):
        _perform(connection, "The ledger", [(queries("migrations").create_ledger, None)])
    return _applied(connection)


def _has_ledger(connection: Connection) -> bool:
    row = connection.execute(queries("migrations").has_ledger).fetchone()
    return row is not None and bool(row[0])


def _applied(connection: Connection) -> dict[str, str]:
    return dict(connection.execute(queries("migrations").applied).fetchall())


def _agree(steps: Sequence[Step], applied: Mapping[str, str]) -> None:
    """Nothing that was applied may have changed or vanished since; a feature that is no more keeps its column."""
    known = {step.name: step.checksum for step in steps}
    if missing := _unknown(steps, applied):
        raise MigrationError(
            f"The database has migrations that this Barhouse has not: {', '.join(missing)}. "
            "Install the version that brought them, or put the files back"
        )
    if changed := [name for name, checksum in known.items() if applied.get(name, checksum) != checksum]:
        raise MigrationError(
            f"Migrations were changed after they had been applied: {', '.join(changed)}. "
            "Put their old text back, and write what is new as a migration of its own"
        )


def _unknown(steps: Sequence[Step], applied: Iterable[str]) -> list[str]:
    known = {step.name for step in steps}
    return [name for name in applied if name not in known and not name.startswith(FEATURE)]


def _apply(connection: Connection, step: Step) -> None:
    """Run a step and enter it in the ledger, both or neither."""
    entry = (queries("migrations").enter, (step.name, step.checksum))
    _perform(connection, step.name, [*((statement, None) for statement in step.statements), entry])


def _perform(connection: Connection, what: str, statements: Iterable[Statement]) -> None:
    """Run statements in one transaction; a refusal names the one that it is about."""
    statement = b""
    try:
        with connection.transaction():
            for statement, parameters in statements:
                connection.execute(statement, parameters)
    except psycopg.Error as cause:
        if connection.closed:
            raise
        mend = _mend(connection, statement) if isinstance(cause, _FORBIDDEN) else "Nothing of it was kept"
        raise MigrationError(
            f"{what} stopped at `{_first_line(statement.decode())}`: {_first_line(cause)}. {mend}"
        ) from cause


def _mend(connection: Connection, statement: bytes) -> str:
    """Which role a refused statement needs."""
    if b"CREATE SCHEMA" in statement:
        return "It needs CREATE on the database: run this as its owner, or have the owner GRANT it"
    names = re.findall(r"\w+", statement.decode())
    owners = [row[0] for row in connection.execute(queries("migrations").owners, [names])]
    user, schema = connection.execute(queries("migrations").whereabouts).fetchall()[0]
    if owners:
        return f"It needs the role {' and '.join(owners)}, and ran as {user}: run this as the former"
    return (
        f"It needs CREATE on schema {schema}, which the role {user} lacks: run this as the owner of the schema, "
        f"or have the owner GRANT USAGE, CREATE ON SCHEMA {schema} TO {user}"
    )


def _first_line(message: object) -> str:
    return str(message).strip().partition("\n")[0]
