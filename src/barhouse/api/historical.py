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
from barhouse.flow import reads, resample
from barhouse.model import Adjust, Span, Timeframe, instant, moment
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

    resample_from: str | None = Field(
        default=None,
        description="Builds the bars from these shorter ones while they are read. Left out: only if none are stored.",
        examples=["1h"],
    )

    @property
    def source(self) -> Timeframe | None:
        """What the bars are to be built from, if that is told; InvalidTimeframe (400)."""
        return None if self.resample_from is None else Timeframe.of(self.resample_from)

    def wanted(self, found: Found) -> Selection:
        """The bars that are left to give behind the cursor."""
        selection = self.selection(found, features=self.features)
        if self.adjust == "none" and self.as_of is None and found.finer is None:
            return selection
        then = None if self.as_of is None else moment(self.as_of)
        return replace(selection, adjust=Adjust(self.adjust), as_of=then, finer=found.finer)


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

    Where none of the bars are stored but shorter ones are, they are built from these (`resample_from` says from
    which): `resampled_from`, and `built_from` in each bar, tell it. A slot in which a shorter bar is missing is left
    out. Built bars have no features (422), and are those of the regular session.
    """
    page, span = asked.page if asked.format == "json" else None, asked.span
    known = await found(served, symbol, asked)
    if asked.resample_from or not known.is_stored:
        known = await _resampled(served, known, asked.source)
    selection = asked.wanted(known)
    if page is not None and not selection.plain:
        body = await anyio.to_thread.run_sync(_long, served.db, selection, span, page)
        return unless_known(body, request)
    mark = known.revision if selection.plain else await anyio.to_thread.run_sync(_mark, served.db, selection, known)
    headers = marked(mark)
    if is_known(request, headers):
        return unchanged(headers)
    if page is None:
        pages = partial(reads.pages, served.db, selection, limit=asked.limit)
        return await streamed(pages, asked.format, f"{known.series.instrument.symbol}_{asked.timeframe}", headers)
    if page > SHORT:
        body = await anyio.to_thread.run_sync(_long, served.db, selection, span, page)
    else:
        body = await _quick(served, (symbol, asked), known.revision, selection, span, page)
    return Response(body, headers=headers, media_type="application/json")


async def _resampled(served: Warehouse, known: Found, asked: Timeframe | None) -> Found:
    """A series that is built from a finer one: what was asked for, or the best there is; else as it was found."""
    finer = await anyio.to_thread.run_sync(resample.finer, served.db, known.series, asked)
    if finer is None:
        return known
    instrument = known.series.instrument
    source = await served.quick.found(instrument.symbol, finer, instrument.asset_class)
    revision = f"{source.revision if source else known.revision}.{known.series.timeframe}"
    return replace(known, revision=revision, finer=finer)


def _mark(db: Database, selection: Selection, known: Found) -> str:
    """What changes with each write to the series, and with all that its adjusted prices hang on."""
    return f"{known.revision}.{reads.basis(db, selection).mark}"


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
    } | ({} if selection.finer is None else {"resampled_from": selection.finer})


def told(moment: datetime) -> str | None:
    """An end of the span; None for one that was left open."""
    return None if moment in (ALL_TIME.start, ALL_TIME.end) else instant(moment)
