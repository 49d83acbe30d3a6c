"""What tests ask of a database beside Barhouse."""

from __future__ import annotations

import psycopg
from psycopg.conninfo import make_conninfo


def ledger(url: str) -> list[str]:
    """The names in the ledger of migrations, sorted."""
    with psycopg.connect(url) as connection:
        return [name for (name,) in connection.execute("SELECT name FROM schema_migration ORDER BY name")]


def columns_of(url: str, table: str) -> list[str]:
    """The columns of `table` in their order, none if it is not there."""
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0 ORDER BY attnum",
            [table],
        )
        return [name for (name,) in rows]


def as_role(url: str, role: str) -> str:
    """The same database, used by another role."""
    return make_conninfo(url, user=role, password="guest")
