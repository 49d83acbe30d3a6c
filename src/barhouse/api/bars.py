"""The bars of many symbols in one answer."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any

import anyio
import orjson
import polars as pl
from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field

from barhouse.api import bulk, shapes
from barhouse.api.answers import is_known, marked, streamed, unchanged, unless_known
from barhouse.api.asking import behind, cursor, decoded
from barhouse.api.deps import Stored
from barhouse.api.historical import AskedBars, told
from barhouse.api.quick import Found
from barhouse.api.understood import parameters, understood
from barhouse.errors import InvalidParameter
from barhouse.flow import cross, resample
from barhouse.model import Series
from barhouse.store.postgres import Database
from barhouse.store.reading import Selection

router = APIRouter(prefix="/api/v1", tags=["data"])

KEY = 4
"""Bytes of an instrument's number in a cursor, before those of the time."""


class AskedMany(AskedBars):
    """Which bars of which symbols are wanted, and with what beside them."""

    symbols: tuple[str, ...] = Field(
        min_length=1,
        description="Separated by commas, or said several times; `*` is all that have such bars.",
        examples=["AAPL,MSFT"],
    )

    def many(self, db: Database) -> list[Selection]:
        """The bars that are wanted of each symbol, in their order; UnknownSymbol (404), AmbiguousSymbol (409)."""
        timeframe, start = self.wanted_timeframe, self.model_copy(update={"cursor": None})
        named = cross.named(db, self.symbols, self.source or timeframe, self.wanted_class)
        series = (Series(instrument, timeframe) for instrument in named)
        return [
            start.wanted(Found(each, "", finer=self.source and resample.fitting(each, self.source))) for each in series
        ]

    def rest(self, wanted: Sequence[Selection]) -> list[Selection]:
        """What is left of these behind the cursor; InvalidParameter (422) for one of another question."""
        if self.cursor is None:
            return list(wanted)
        raw = decoded(self.cursor)
        key, when = int.from_bytes(raw[:KEY], "big"), behind(_text(raw[KEY:]))
        keys = [each.series.instrument.number for each in wanted]
        if key not in keys or following(key, _text(raw[KEY:])) != self.cursor:
            raise InvalidParameter("cursor: this is none of such a question; give the next_cursor of the page before")
        place = keys.index(key)
        return [wanted[place].after(when), *wanted[place + 1 :]]


Question = Annotated[AskedMany, Depends(understood(AskedMany))]


@router.get("/bars", summary="Bars of many symbols", responses=shapes.CROSS, openapi_extra=parameters(AskedMany))
async def bars(asked: Question, db: Stored, request: Request) -> Response:
    """Bars of many symbols in one timeframe: one symbol after the other, each oldest first, as `historical` gives them.

    `symbol` and `asset_class` stand in front of each bar. JSON comes in pages over all symbols together: follow
    `next_cursor` with the same query until it is null. Other formats are streamed whole, be it all that there is
    (`symbols=*`). Where coins are among the symbols, the columns that only coins have are null for the others. 404
    names all symbols that nobody tracks. Bars are built from shorter ones only where `resample_from` says so.
    """
    if asked.format == "json":
        body = await anyio.to_thread.run_sync(_page, db, asked, asked.page)
        return unless_known(body, request)
    wanted = await anyio.to_thread.run_sync(asked.many, db)
    headers = {"Cache-Control": "no-cache"}
    if wanted and wanted[0].plain:
        headers = marked(await anyio.to_thread.run_sync(cross.revision, db, wanted))
        if is_known(request, headers):
            return unchanged(headers)
    pages = partial(cross.pages, db, asked.rest(wanted), limit=asked.limit)
    return await streamed(pages, asked.format, f"bars_{asked.timeframe}", headers)


def _page(db: Database, asked: AskedMany, size: int) -> bytes:
    """A page of JSON; one bar more than it is read, to know whether there is another page."""
    wanted = asked.many(db)
    found = pl.concat(cross.pages(db, asked.rest(wanted), size + 1, size + 1))
    rows = found.head(size)
    head: dict[str, Any] = {
        "symbols": [each.series.instrument.symbol for each in wanted],
        "timeframe": asked.timeframe,
        "start": told(asked.span.start),
        "end": told(asked.span.end),
        "count": rows.height,
        "next_cursor": _next(rows, wanted) if found.height > size else None,
    }
    return b"".join([orjson.dumps(head)[:-1], b',"data":', bulk.json_rows(rows), b"}"])


def _next(rows: pl.DataFrame, wanted: Sequence[Selection]) -> str:
    last = rows.row(-1, named=True)
    whose = (last["symbol"], last["asset_class"])
    keys = {(i.symbol, i.asset_class): i.number for i in (each.series.instrument for each in wanted)}
    return following(keys[whose], cursor(last["time"]))


def following(key: int, when: str) -> str:
    """What leads to the page behind a bar of the instrument with that number."""
    return _text(key.to_bytes(KEY, "big") + decoded(when))


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")
