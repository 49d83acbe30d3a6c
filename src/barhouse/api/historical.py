"""The bars of a series."""

from __future__ import annotations

from datetime import datetime
from itertools import chain
from typing import Annotated, Any

import anyio
import orjson
from fastapi import APIRouter, Depends, Path, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import Field

from barhouse.api import bulk, shapes
from barhouse.api.asking import Asked, cursor, found
from barhouse.api.deps import Served, Warehouse
from barhouse.api.understood import parameters, understood
from barhouse.errors import InvalidParameter
from barhouse.flow import reads
from barhouse.model import Span, instant
from barhouse.store.postgres import Database
from barhouse.store.reading import ALL_TIME, Selection

router = APIRouter(prefix="/api/v1", tags=["data"])

SHORT = 1_000
"""Bars up to which an answer is read by rows on the event loop; longer ones are read as frames in a thread."""


class AskedBars(Asked):
    """Which bars of a symbol are wanted, and with what beside them."""

    features: bool = Field(default=False, description="Gives the features beside each bar.")
    adjust: str = Field(default="none", description="`none`: prices as traded. Others are not served yet.")
    as_of: str | None = Field(default=None, description="What was known at that instant; not served yet.")


Symbol = Annotated[str, Path(description="As you write it: AAPL, BRK.B, BTC, BTC-USD.", examples=["AAPL"])]


Question = Annotated[AskedBars, Depends(understood(AskedBars))]


@router.get(
    "/historical/{symbol:path}",
    summary="Bars of a symbol",
    responses=shapes.BARS,
    openapi_extra=parameters(AskedBars),
)
async def historical(symbol: Symbol, asked: Question, served: Served, request: Request) -> Response:
    """Bars as traded, oldest first, settled ones only.

    JSON comes in pages: follow `next_cursor` with the same query until it is null. The ETag changes with each write
    to the series. Bars outside the regular session are left out unless `session=all`.
    """
    if asked.adjust != "none":
        raise InvalidParameter("adjust: only none is served yet")
    if asked.as_of is not None:
        raise InvalidParameter("as_of: this is not served yet; leave it out for what is known now")
    page, span = asked.page if asked.format == "json" else None, asked.span
    known = await found(served, symbol, asked)
    headers = {"ETag": f'"{known.revision}"', "Cache-Control": "no-cache"}
    if headers["ETag"] in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    selection = asked.selection(known, features=asked.features)
    if page is None:
        return await _streamed(served.db, selection, asked.format, asked.limit, headers)
    if page > SHORT:
        body = await anyio.to_thread.run_sync(_long, served.db, selection, span, page)
    else:
        body = await _quick(served, (symbol, asked), known.revision, selection, span, page)
    return Response(body, headers=headers, media_type="application/json")


async def _quick(
    served: Warehouse, question: object, revision: str, selection: Selection, span: Span, page: int
) -> bytes:
    """A short page of JSON: as it was given last if the series has not changed since, else read anew."""
    body = served.kept.get(question, revision)
    if body is None:
        body = _short(selection, span, await served.quick.bars(selection, page + 1), page)
        served.kept.put(question, revision, body)
    return body


def _short(selection: Selection, span: Span, rows: list[dict[str, Any]], page: int) -> bytes:
    """A page of JSON out of rows, of which one more than the page was read."""
    more = cursor(rows[page - 1]["time"]) if len(rows) > page else None
    return orjson.dumps({**_head(selection, span, rows[:page], more), "data": rows[:page]}, option=orjson.OPT_UTC_Z)


def _long(db: Database, selection: Selection, span: Span, page: int) -> bytes:
    """A page of JSON out of a frame."""
    frame = reads.bars(db, selection, page + 1)
    rows, more = frame.head(page), cursor(frame["time"][page - 1]) if frame.height > page else None
    head = orjson.dumps(_head(selection, span, rows, more))
    return b"".join([head[:-1], b',"data":', bulk.json_rows(rows), b"}"])


def _head(selection: Selection, span: Span, rows: Any, more: str | None) -> dict[str, Any]:
    series = selection.series
    return {
        "symbol": series.instrument.symbol,
        "asset_class": series.instrument.asset_class,
        "timeframe": series.timeframe,
        "start": _told(span.start),
        "end": _told(span.end),
        "count": len(rows),
        "next_cursor": more,
    }


def _told(moment: datetime) -> str | None:
    """An end of the span; None for one that was left open."""
    return None if moment in (ALL_TIME.start, ALL_TIME.end) else instant(moment)


async def _streamed(
    db: Database, selection: Selection, form: str, limit: int | None, headers: dict[str, str]
) -> Response:
    """All bars, read while they are sent; what goes wrong before the first byte still has its own status."""
    media_type, write = bulk.FORMATS[form]
    pieces = write(bulk.ahead(reads.pages(db, selection, limit=limit)))
    first = await anyio.to_thread.run_sync(next, pieces)
    name = f"{selection.series.instrument.symbol}_{selection.series.timeframe}.{form}"
    named = headers | {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(chain([first], pieces), headers=named, media_type=media_type)
