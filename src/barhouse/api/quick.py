"""The one hot read: short answers by rows, on the event loop."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import AsyncConnection, AsyncRawCursor
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from barhouse.errors import AmbiguousSymbol, DatabaseUnavailable
from barhouse.model import AssetClass, Instrument, Series, Timeframe
from barhouse.store import instruments, reading
from barhouse.store.reading import Selection

CONNECTIONS = 4


@dataclass(frozen=True, slots=True)
class Found:
    """A series, and what changes with each of its writes."""

    series: Series
    revision: str


class Quick:
    """Reads a series by its symbol, and up to a thousand of its bars."""

    def __init__(self, database_url: str, *, timeout: float = 10.0) -> None:
        self._timeout = timeout
        self._sources: dict[int, str] = {}
        self._pool = AsyncConnectionPool(
            database_url,
            min_size=1,
            max_size=CONNECTIONS,
            timeout=timeout,
            open=False,
            configure=_in_utc,
            kwargs={"autocommit": True, "application_name": "barhouse", "cursor_factory": AsyncRawCursor},
        )

    async def open(self) -> None:
        """Begin to connect."""
        await self._pool.open()

    async def close(self) -> None:
        """End all connections."""
        await self._pool.close()

    async def found(self, symbol: str, timeframe: Timeframe, asset_class: AssetClass | None) -> Found | None:
        """The series of an instrument with exactly that symbol, None if there is none; AmbiguousSymbol (409)."""
        async with self._connection() as connection:
            cursor = await connection.execute(reading.query.revision, [symbol, timeframe.code, asset_class])
            rows = await cursor.fetchall()
        if len(rows) > 1:
            raise AmbiguousSymbol(symbol, [row[2] for row in rows])
        return _found(timeframe, *rows[0]) if rows else None

    async def bars(self, selection: Selection, limit: int) -> list[dict[str, Any]]:
        """The first `limit` bars of a selection, oldest first, each a dictionary of `Selection.columns`."""
        async with self._connection() as connection:
            statement, parameters = reading.statement(selection), reading.parameters(selection, limit)
            cursor = await connection.execute(statement, parameters, binary=True)
            columns = selection.columns
            bars = [dict(zip(columns, row, strict=True)) for row in await cursor.fetchall()]
            if "source" in columns:
                await self._name_sources(connection, bars)
        return bars

    async def _name_sources(self, connection: AsyncConnection, bars: list[dict[str, Any]]) -> None:
        """Put names in the place of the sources' numbers; the names are read again when a number is new."""
        if {bar["source"] for bar in bars} - self._sources.keys() - {None}:
            cursor = await connection.execute(instruments.sql.sources)
            self._sources = dict(await cursor.fetchall())
        for bar in bars:
            bar["source"] = self._sources.get(bar["source"])

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[AsyncConnection]:
        try:
            async with self._pool.connection() as connection:
                yield connection
        except PoolTimeout:
            raise DatabaseUnavailable(f"PostgreSQL gave no connection in {self._timeout:g} s") from None
        except psycopg.OperationalError as cause:
            raise DatabaseUnavailable("PostgreSQL went away in the middle of a request") from cause


def _found(timeframe: Timeframe, key: int, symbol: str, asset_class: str, exchange: str, *revised: Any) -> Found:
    revision, revised_at = revised
    instrument = Instrument(symbol, AssetClass(asset_class), exchange, key)
    at = int(revised_at.timestamp() * 1e6) if revised_at else 0
    return Found(Series(instrument, timeframe), f"{key}.{timeframe.code}.{revision}.{at}")


async def _in_utc(connection: AsyncConnection) -> None:
    await connection.execute("SET timezone TO 'UTC'")
