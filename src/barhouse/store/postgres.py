"""The database: one PostgreSQL, reached by rows (psycopg) or by frames (ADBC)."""

from __future__ import annotations

import queue
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Self

import adbc_driver_postgresql.dbapi as adbc
import polars as pl
import psycopg
import pyarrow as pa
from adbc_driver_manager import Error as AdbcError
from adbc_driver_manager import OperationalError as AdbcOperationalError
from psycopg import Connection
from psycopg_pool import ConnectionPool, PoolTimeout

from barhouse.errors import DatabaseUnavailable

FRAME_CONNECTIONS = 4
"""Readers of frames at the same time: connecting costs 46 ms, a connection serves one thread."""


class Database:
    """One PostgreSQL for many threads. Connections are made when first used; `close` ends them all."""

    def __init__(self, database_url: str, *, timeout: float = 10.0) -> None:
        self.url = database_url
        self._timeout = timeout
        self._frames: queue.LifoQueue[adbc.Connection | None] = queue.LifoQueue()
        for _ in range(FRAME_CONNECTIONS):
            self._frames.put(None)

    @cached_property
    def pool(self) -> ConnectionPool:
        """Connections for rows and for writing."""
        return ConnectionPool(
            self.url,
            min_size=1,
            max_size=8,
            timeout=self._timeout,
            open=True,
            check=ConnectionPool.check_connection,
            kwargs={"autocommit": True, "application_name": "barhouse"},
        )

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection on which each statement stands by itself."""
        try:
            with self.pool.connection() as connection:
                yield connection
        except PoolTimeout:
            raise DatabaseUnavailable(f"PostgreSQL gave no connection in {self._timeout:g} s") from None
        except psycopg.OperationalError as cause:
            raise DatabaseUnavailable("PostgreSQL went away in the middle of a request") from cause

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A connection on which all that happens is kept together, or not at all."""
        with self.connection() as connection, connection.transaction():
            yield connection

    def frame(self, statement: bytes, parameters: Sequence[Any] = ()) -> pl.DataFrame:
        """What `statement` answers, as a frame; parameters are `$1`, `$2`, …, a list is an array."""
        bound = pa.RecordBatch.from_pylist([{str(n): p for n, p in enumerate(parameters)}]) if parameters else None
        with self._frame_connection() as connection, connection.cursor() as cursor:
            cursor.execute(statement.decode(), parameters=bound)
            return pl.DataFrame(pl.from_arrow(cursor.fetch_arrow_table()))

    @contextmanager
    def _frame_connection(self) -> Iterator[adbc.Connection]:
        try:
            connection = self._frames.get(timeout=self._timeout)
        except queue.Empty:
            raise DatabaseUnavailable(f"No reader became free in {self._timeout:g} s") from None
        try:
            if connection is None:
                connection = adbc.connect(self.url, autocommit=True)
            yield connection
        except AdbcOperationalError as cause:
            _discard(connection)
            connection = None
            raise DatabaseUnavailable("PostgreSQL went away in the middle of a read") from cause
        finally:
            self._frames.put(connection)

    def close(self) -> None:
        """End all connections."""
        for _ in range(FRAME_CONNECTIONS):
            _discard(self._frames.get())
            self._frames.put(None)
        if "pool" in self.__dict__:
            self.pool.close()
            del self.__dict__["pool"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _discard(connection: adbc.Connection | None) -> None:
    """Close a connection that may be broken already."""
    if connection is None:
        return
    try:
        connection.close()
    except AdbcError:
        return
