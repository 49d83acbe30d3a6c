"""The database: one PostgreSQL, reached by rows (psycopg) or by frames (ADBC)."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self

import adbc_driver_postgresql.dbapi as adbc
import polars as pl
import psycopg
import pyarrow as pa
from adbc_driver_manager import Error as AdbcError
from adbc_driver_manager import OperationalError as AdbcOperationalError
from psycopg import Connection
from psycopg.conninfo import make_conninfo
from psycopg_pool import ConnectionPool, PoolTimeout

from barhouse.errors import DatabaseUnavailable

FRAME_CONNECTIONS = 4
"""Readers of frames at the same time: connecting costs 46 ms, a connection serves one thread."""


LIVELY = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 15_000}
"""How a connection notices within some 25 s that its server's machine is gone, where the system alone takes hours."""

RECONNECTING = 3.0
"""Seconds after which a pool gives up to connect, and the next request begins anew.

Its pauses double: without that it would find a server that is back only after as long as that was away.
"""

SOON = 1.0
"""Seconds that a hasty caller has for a database that is known to be away; its server may be back just now."""

WENT_AWAY = "PostgreSQL went away in the middle of a request"

REFUSALS = {
    "25006": "PostgreSQL is read-only, as a standby is; let DATABASE_URL name the primary",
    "28000": "PostgreSQL refuses this user; mend DATABASE_URL",
    "28P01": "PostgreSQL refuses the password of DATABASE_URL",
    "3D000": "PostgreSQL has no database of that name; mend DATABASE_URL, or create it",
    "40001": "PostgreSQL let another writer go first; nothing was kept, try again",
    "40P01": "PostgreSQL let another writer go first; nothing was kept, try again",
    "53100": "The disk of PostgreSQL is full; free some space, nothing that was kept is lost",
    "53200": "PostgreSQL is out of memory; nothing was kept, try again",
    "53300": "PostgreSQL has no connection left; end some of its users, or raise its max_connections",
    "55P03": "PostgreSQL waited too long for another writer (lock_timeout); nothing was kept, try again",
    "57014": "PostgreSQL cancelled a statement, by hand or for its statement_timeout; nothing was kept, try again",
    "57P03": "PostgreSQL is starting or stopping; try again in a moment",
}
"""What a PostgreSQL that is there will not do, by SQLSTATE, and the mend."""


class _Stale(DatabaseUnavailable):
    """A connection that had served before turned out to be lost: its server may have been restarted since."""


class Database:
    """One PostgreSQL for many threads. Connections are made when first used; `close` ends them all.

    Callers wait `timeout` seconds for a connection; hasty ones less long, once nobody could connect for a while.
    """

    def __init__(self, database_url: str, *, timeout: float = 10.0, is_hasty: bool = False) -> None:
        self.url = database_url
        self._timeout = timeout
        self._is_hasty, self._is_away = is_hasty, False
        self._pool: ConnectionPool | None = None
        self._one_at_a_time = threading.Lock()
        self._frames: queue.LifoQueue[adbc.Connection | None] = queue.LifoQueue()
        for _ in range(FRAME_CONNECTIONS):
            self._frames.put(None)

    @property
    def pool(self) -> ConnectionPool:
        """Connections for rows and for writing."""
        with self._one_at_a_time:
            if self._pool is None:
                self._pool = ConnectionPool(
                    self.url,
                    min_size=1,
                    max_size=8,
                    timeout=self._timeout,
                    reconnect_timeout=RECONNECTING,
                    reconnect_failed=self._gave_up,
                    open=True,
                    check=ConnectionPool.check_connection,
                    kwargs={"autocommit": True, "application_name": "barhouse", **LIVELY},
                )
            return self._pool

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection on which each statement stands by itself."""
        patience = SOON if self._is_away and self._is_hasty else self._timeout
        try:
            with self.pool.connection(patience) as connection:
                self._is_away = False
                yield connection
        except PoolTimeout:
            raise DatabaseUnavailable(f"PostgreSQL gave no connection in {patience:g} s") from None
        except psycopg.Error as cause:
            if reason := unavailable(cause):
                raise DatabaseUnavailable(reason) from cause
            raise

    def _gave_up(self, _: ConnectionPool) -> None:
        self._is_away = True

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A connection on which all that happens is kept together, or not at all."""
        with self.connection() as connection, connection.transaction():
            yield connection

    def frame(self, statement: bytes, parameters: Sequence[Any] = ()) -> pl.DataFrame:
        """What `statement` answers, as a frame; parameters are `$1`, `$2`, …, a list is an array."""
        bound = pa.RecordBatch.from_pylist([{str(n): p for n, p in enumerate(parameters)}]) if parameters else None
        try:
            return self._read(statement, bound)
        except _Stale:
            return self._read(statement, bound)

    def _read(self, statement: bytes, bound: pa.RecordBatch | None) -> pl.DataFrame:
        with self._frame_connection() as connection, connection.cursor() as cursor:
            cursor.execute(statement.decode(), parameters=bound)
            return pl.DataFrame(pl.from_arrow(cursor.fetch_arrow_table()))

    @contextmanager
    def _frame_connection(self) -> Iterator[adbc.Connection]:
        """A reader of frames; one that failed, whatever the reason, is not used again."""
        try:
            kept = connection = self._frames.get(timeout=self._timeout)
        except queue.Empty:
            raise DatabaseUnavailable(f"No reader became free in {self._timeout:g} s") from None
        try:
            connection = connection or adbc.connect(make_conninfo(self.url, **LIVELY), autocommit=True)
            yield connection
        except BaseException as cause:
            _discard(connection)
            connection = None
            if isinstance(cause, AdbcError) and (reason := unavailable(cause)):
                raise (_Stale if kept and reason == WENT_AWAY else DatabaseUnavailable)(reason) from cause
            raise
        finally:
            self._frames.put(connection)

    def close(self) -> None:
        """End all connections."""
        for _ in range(FRAME_CONNECTIONS):
            _discard(self._frames.get())
            self._frames.put(None)
        with self._one_at_a_time:
            pool, self._pool = self._pool, None
        if pool:
            pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def unavailable(cause: psycopg.Error | AdbcError) -> str | None:
    """What to tell where PostgreSQL could not do its part; None for an error in what it was asked."""
    if reason := REFUSALS.get(cause.sqlstate or ""):
        return reason
    lost = isinstance(cause, psycopg.OperationalError | AdbcOperationalError)
    return WENT_AWAY if lost else None


def _discard(connection: adbc.Connection | None) -> None:
    """Close a connection that may be broken already."""
    if connection is None:
        return
    try:
        connection.close()
    except AdbcError:
        return
