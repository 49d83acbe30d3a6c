"""The bars of a series."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Literal

import anyio
import orjson
from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import Field

from barhouse.api import bulk, shapes
from barhouse.api.answers import is_known, marked, streamed, unchanged, unless_known
from barhouse.api.asking import Asked, cursor, found
from barhouse.api.deps import Served, Warehouse
from barhouse.api.quick import Found
from barhouse.api.understood import parameters, understood
from barhouse.flow import reads
from barhouse.model import Adjust, Span, instant, moment
from barhouse.store.postgres import Database
from barhouse.store.reading import ALL_TIME, Selection

router = APIRouter(prefix="/api/v1", tags=["data"])

SHORT = 1_000
"""Bars up to which an answer is read by rows on the event loop; longer ones are read as frames in a thread."""


class AskedBars(Asked):
    """Which bars of a symbol are wanted, and with what beside them."""

    features: bool = Field(default=False, description="Gives the features beside each bar.")
    adjust: Literal["none", "splits", "all"] = Field(
        default="none",
        description="`none`: as traded. `splits`: prices and volumes in today's shares. `all`: dividends too.",
    )
    as_of: str | None = Field(
        default=None,
        description="What was known at that instant: without what came, left or was corrected later.",
        examples=["2024-01-31T14:30:00Z"],
    )

    @property
    def plain(self) -> bool:
        """Whether the bars are wanted just as they are stored now."""
        return self.adjust == "none" and self.as_of is None

    def wanted(self, found: Found) -> Selection:
        """The bars that are left to give behind the cursor."""
        selection = self.selection(found, features=self.features)
        if self.plain:
            return selection
        then = None if self.as_of is None else moment(self.as_of)
        return replace(selection, adjust=Adjust(self.adjust), as_of=then)


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
    to the series; that of adjusted bars, and of those of the past, with what they say. Bars outside the regular
    session are left out unless `session=all`.

    `as_of` gives the bars as they were known at an instant, with features computed from them and adjusted by the
    actions learnt until then; `validated`, `quality_score` and `flags` are today's.

    `adjust=splits` divides prices, and multiplies volumes, by the ratios of all later splits that have taken effect;
    `adjust=all` also multiplies prices by 1 - amount / previous close for each later dividend. A weekly bar is in the
    shares of its close. Features are as stored: they see through splits by themselves, and never later ones.
    """
    page, span = asked.page if asked.format == "json" else None, asked.span
    known = await found(served, symbol, asked)
    if page is not None and not asked.plain:
        body = await anyio.to_thread.run_sync(_long, served.db, asked.wanted(known), span, page)
        return unless_known(body, request)
    mark = known.revision if asked.plain else await anyio.to_thread.run_sync(_mark, served.db, asked, known)
    headers = marked(mark)
    if is_known(request, headers):
        return unchanged(headers)
    selection = asked.wanted(known)
    if page is None:
        pages = partial(reads.pages, served.db, selection, limit=asked.limit)
        return await streamed(pages, asked.format, f"{known.series.instrument.symbol}_{asked.timeframe}", headers)
    if page > SHORT:
        body = await anyio.to_thread.run_sync(_long, served.db, selection, span, page)
    else:
        body = await _quick(served, (symbol, asked), known.revision, selection, span, page)
    return Response(body, headers=headers, media_type="application/json")


def _mark(db: Database, asked: AskedBars, known: Found) -> str:
    """What changes with each write to the series, and with all that its adjusted prices hang on."""
    return f"{known.revision}.{reads.basis(db, asked.wanted(known)).mark}"


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
        "start": told(span.start),
        "end": told(span.end),
        "count": len(rows),
        "next_cursor": more,
    }


def told(moment: datetime) -> str | None:
    """An end of the span; None for one that was left open."""
    return None if moment in (ALL_TIME.start, ALL_TIME.end) else instant(moment)
