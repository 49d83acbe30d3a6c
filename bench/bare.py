"""The ceiling of `historical_100`: an endpoint that runs the query and writes its rows, and does nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson
from fastapi import FastAPI, Response
from psycopg import AsyncRawCursor
from psycopg_pool import AsyncConnectionPool

from barhouse.api.quick import CONNECTIONS
from barhouse.config import settings
from barhouse.flow import instruments
from barhouse.model import Series, Timeframe
from barhouse.store import reading
from barhouse.store.postgres import Database
from barhouse.store.reading import Selection


def create() -> FastAPI:
    """`GET /bars?limit=100` gives the first minute bars of BENCH00."""
    given = settings().database_url
    assert given
    url = given.get_secret_value()
    with Database(url) as db:
        selection = Selection(Series(instruments.find(db, "BENCH00"), Timeframe.M1))
    statement, columns = reading.statement(selection), selection.columns
    pool = AsyncConnectionPool(
        url,
        min_size=1,
        max_size=CONNECTIONS,
        open=False,
        kwargs={"autocommit": True, "cursor_factory": AsyncRawCursor, "options": "-c timezone=UTC"},
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with pool:
            yield

    app = FastAPI(lifespan=lifespan)

    @app.get("/bars")
    async def bars(limit: int) -> Response:
        async with pool.connection() as connection:
            cursor = await connection.execute(statement, reading.parameters(selection, limit), binary=True)
            rows = await cursor.fetchall()
        body = orjson.dumps([dict(zip(columns, row, strict=True)) for row in rows], option=orjson.OPT_UTC_Z)
        return Response(body, media_type="application/json")

    return app
