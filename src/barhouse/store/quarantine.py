"""The quarantine: rows that are no bars, with the reason and what the vendor really sent."""

from __future__ import annotations

from typing import Any

import polars as pl
from psycopg import Connection
from psycopg.rows import dict_row

from barhouse.store.queries import queries

query = queries("quarantine")

NUL, ITS_PICTURE = "\x00", "\u2400"
"""PostgreSQL keeps no NUL in a text; what a vendor sends may hold one."""


def keep(connection: Connection, rows: pl.DataFrame) -> int:
    """How many of `rows` (`instrument, timeframe, time, source, fetch_id, reason, payload`) were not there before.

    `timeframe` and `source` are numbers as in the database; `time`, `source`, `fetch_id` and `payload` may be NULL.
    """
    if rows.is_empty():
        return 0
    texts = rows.with_columns(pl.col("reason", "payload").str.replace_all(NUL, ITS_PICTURE, literal=True))
    columns = ("instrument", "timeframe", "time", "source", "fetch_id", "reason", "payload")
    return connection.execute(query.keep, {f"{name}s": texts[name].to_list() for name in columns}).rowcount


def listed(connection: Connection, instrument: int | None = None, limit: int = 100) -> list[dict[str, Any]]:
    """The latest rows in quarantine, newest first: of one instrument (its number), or of all."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query.listed, {"instrument": instrument, "limit": limit}).fetchall()
