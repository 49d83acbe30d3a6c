"""Frames into tables by binary COPY."""

from __future__ import annotations

from collections.abc import Iterator

import pgpq
import polars as pl
from psycopg import Connection, sql

CHUNK = 5_000
"""Rows encoded at a time: about a megabyte, so that PostgreSQL works on it while the next ones are encoded."""


def copy_in(connection: Connection, table: str, frame: pl.DataFrame) -> None:
    """Append `frame` to `table`, column for column; its types are those of the table."""
    columns = sql.SQL(", ").join(map(sql.Identifier, frame.columns))
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(sql.Identifier(table), columns)
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for chunk in encoded(frame):
            copy.write(chunk)


def encoded(frame: pl.DataFrame, rows: int = CHUNK) -> Iterator[bytes]:
    """`frame` in PostgreSQL's binary COPY format, so many `rows` at a time."""
    table = frame.to_arrow()
    encoder = pgpq.ArrowToPostgresBinaryEncoder(table.schema)
    yield encoder.write_header()
    for batch in table.to_batches(max_chunksize=rows):
        yield encoder.write_batch(batch)
    yield encoder.finish()
