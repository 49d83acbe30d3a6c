"""The one hot read: short answers by rows, on the event loop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import AsyncConnection, AsyncRawCursor
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from barhouse.errors import AmbiguousSymbol, DatabaseUnavailable
from barhouse.model import AssetClass, Instrument, Series, Timeframe
from barhouse.store import instruments, reading
from barhouse.store.postgres import LIVELY, RECONNECTING
from barhouse.store.reading import Selection

CONNECTIONS = 4


@dataclass(frozen=True, slots=True)
class Found:
    """A series, and what changes with each of its writes."""

    series: Series
    revision: str
    is_stored: bool = True
    """Whether anything was ever written to it."""
    finer: Timeframe | None = None
    """What its bars are built from while they are read; None is as they are stored."""


class Quick:
    """Reads a series by its symbol, and up to a thousand of its bars."""

    def __init__(self, database_url: str, *, timeout: float = 5.0) -> None:
        self._timeout = timeout
        self._sources: dict[int, str] = {}
        self._pool = AsyncConnectionPool(
            database_url,
            min_size=1,
            max_size=CONNECTIONS,
            timeout=timeout,
            reconnect_timeout=RECONNECTING,
            open=False,
            configure=_in_utc,
            kwargs={"autocommit": True, "application_name": "barhouse", "cursor_factory": AsyncRawCursor, **LIVELY},
        )

    async def open(self) -> None:
        """Begin to connect."""
        await self._pool.open()

    async def close(self) -> None:
        """End all connections."""
        await self._pool.close()

    async def found(self, symbol: str, timeframe: Timeframe, asset_class: AssetClass | None) -> Found | None:
        """The series of an instrument with exactly that symbol, None if there is none; AmbiguousSymbol (409)."""
        rows = await self._rows(reading.query.revision, [symbol, timeframe.code, asset_class])
        if len(rows) > 1:
            raise AmbiguousSymbol(symbol, [row[2] for row in rows])
        return _found(timeframe, *rows[0]) if rows else None

    async def bars(self, selection: Selection, limit: int) -> list[dict[str, Any]]:
        """The first `limit` bars of a selection, oldest first, each a dictionary of `Selection.columns`."""
        rows = await self._rows(reading.statement(selection), reading.parameters(selection, limit))
        columns = selection.columns
        bars = [dict(zip(columns, row, strict=True)) for row in rows]
        if "source" in columns:
            await self._name_sources(bars)
        return bars

    async def _name_sources(self, bars: list[dict[str, Any]]) -> None:
        """Put names in the place of the sources' numbers; the names are read again when a number is new."""
        if {bar["source"] for bar in bars} - self._sources.keys() - {None}:
            self._sources = dict(await self._rows(instruments.sql.sources, []))
        for bar in bars:
            bar["source"] = self._sources.get(bar["source"])

    async def _rows(self, statement: bytes, parameters: Sequence[Any]) -> list[Any]:
        """What a statement answers; connections that died with a server since restarted cost a second try."""
        try:
            try:
                return await self._read(statement, parameters)
            except PoolTimeout:
                raise
            except psycopg.OperationalError:
                await self._pool.check()
                return await self._read(statement, parameters)
        except PoolTimeout:
            raise DatabaseUnavailable(f"PostgreSQL gave no connection in {self._timeout:g} s") from None
        except psycopg.OperationalError as cause:
            raise DatabaseUnavailable("PostgreSQL went away in the middle of a request") from cause

    async def _read(self, statement: bytes, parameters: Sequence[Any]) -> list[Any]:
        async with self._pool.connection() as connection:
            cursor = await connection.execute(statement, parameters, binary=True)
            return await cursor.fetchall()


def _found(timeframe: Timeframe, key: int, symbol: str, asset_class: str, exchange: str, *revised: Any) -> Found:
    revision, revised_at = revised
    instrument = Instrument(symbol, AssetClass(asset_class), exchange, key)
    at = int(revised_at.timestamp() * 1e6) if revised_at else 0
    return Found(Series(instrument, timeframe), f"{key}.{timeframe.code}.{revision}.{at}", is_stored=revision > 0)


async def _in_utc(connection: AsyncConnection) -> None:
    await connection.execute("SET timezone TO 'UTC'")
