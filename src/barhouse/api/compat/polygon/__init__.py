"""Polygon's protocol (Massive since 2025): aggregates, splits, dividends, tickers."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from typing import Annotated, Any
from uuid import uuid4

import orjson
from fastapi import APIRouter, Path, Request, Response

from barhouse.api.compat import Shelf, Shelves, parameters, shapes
from barhouse.api.compat.polygon import aggregates, reference
from barhouse.api.compat.polygon.wire import WireError
from barhouse.api.compat.shapes import told
from barhouse.api.compat.windows import NotKept

MOST = 50_000
"""Base aggregates that the vendor reads for one answer."""

Ticker = Annotated[str, Path(description="As Polygon writes it: AAPL, BRK.B, X:BTCUSD.", examples=["AAPL"])]
Multiplier = Annotated[str, Path(description="How many of `timespan` make a bar.", examples=["1"])]
Timespan = Annotated[str, Path(description="minute, hour, day, week, month, quarter or year.", examples=["day"])]
Edge = Annotated[str, Path(description="A date of New York or epoch milliseconds, included.", examples=["2024-01-31"])]

Door = Callable[[Request], None]
"""Lets a request through, or raises WireError."""


def router(shelves: Shelves, door: Door, *, most: int = MOST) -> APIRouter:
    """Polygon over the shelves of requests that come through `door`; `most` is the greatest limit that counts."""
    routes, guarded = APIRouter(), partial(_guarded, shelves, door)

    @routes.get(
        "/v2/aggs/ticker/{ticker}/range/{multiplier}/{timespan}/{start}/{end}",
        summary="Bars, as Polygon answers",
        responses=told(shapes.Aggregates),
        openapi_extra=parameters(
            adjusted="`false` gives prices as traded; else they are in today's shares.",
            sort="`asc` or `desc`.",
            limit="Base aggregates of a page: minutes, or days. 5000, at most 50000.",
        ),
    )
    def bars(
        request: Request, ticker: Ticker, multiplier: Multiplier, timespan: Timespan, start: Edge, end: Edge
    ) -> Response:
        """Windows of New York's clock, adjusted for splits unless `adjusted=false`, in pages along `next_url`.

        `start` and `end` are dates or epoch milliseconds, both included; `sort` and `limit` (of base aggregates) are
        the vendor's. Bars that were never read are refused with 403, an unknown ticker has no results.
        """

        def answer(shelf: Shelf) -> dict[str, Any]:
            ask = aggregates.asked(request, ticker, (multiplier, timespan), (start, end), most)
            return aggregates.page(request, ask, aggregates.windows(shelf, ask))

        return guarded(request, answer)

    @routes.get(
        "/v2/aggs/ticker/{ticker}/prev",
        summary="The day before today, as Polygon answers",
        responses=told(shapes.Aggregates),
    )
    def previous(request: Request, ticker: Ticker) -> Response:
        """The last daily bar before today, adjusted for splits unless `adjusted=false`."""
        return guarded(request, lambda shelf: aggregates.previous(request, shelf, ticker))

    @routes.get("/v3/reference/splits", summary="Splits, as Polygon answers", responses=told(shapes.Splits))
    def splits(request: Request) -> Response:
        """Splits that count, newest first: by `ticker`, by `execution_date` with `.gte`, `.lt` and so on."""
        return guarded(request, lambda shelf: reference.splits(request, shelf))

    @routes.get("/v3/reference/dividends", summary="Dividends, as Polygon answers", responses=told(shapes.Dividends))
    def dividends(request: Request) -> Response:
        """Dividends that count, newest first: by `ticker`, by `ex_dividend_date` with `.gte`, `.lt` and so on."""
        return guarded(request, lambda shelf: reference.dividends(request, shelf))

    @routes.get("/v3/reference/tickers", summary="Tickers, as Polygon answers", responses=told(shapes.Tickers))
    def tickers(request: Request) -> Response:
        """What there are bars of, in alphabetical order."""
        return guarded(request, lambda shelf: reference.tickers(request, shelf))

    return routes


def _guarded(shelves: Shelves, door: Door, request: Request, answer: Callable[[Shelf], dict[str, Any]]) -> Response:
    """What is answered to who comes through the door, or why nothing is."""
    try:
        door(request)
        return _response({**answer(shelves(request)), "request_id": uuid4().hex})
    except WireError as refusal:
        return _response(_refusal("ERROR", error=str(refusal)), refusal.status)
    except NotKept as ignorance:
        return _response(_refusal("NOT_AUTHORIZED", message=str(ignorance)), 403)


def keyed(keys: Collection[str] | None = None) -> Door:
    """A door for who bears a key, as header or as parameter: any key, or one of these."""

    def door(request: Request) -> None:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        key = key if scheme.lower() == "bearer" else request.query_params.get("apiKey", "")
        if not key:
            raise WireError(401, "API Key was not provided")
        if keys is not None and key not in keys:
            raise WireError(401, "Unknown API Key")

    return door


def unkeyed(request: Request) -> None:
    """A door behind which others look at keys: here one must only not be in the address, which logs keep."""
    if "apiKey" in request.query_params:
        raise WireError(401, "A key does not belong into an address; send it as Authorization: Bearer KEY")


def _response(body: dict[str, Any], status: int = 200) -> Response:
    return Response(orjson.dumps(body), status, media_type="application/json")


def _refusal(status: str, **why: str) -> dict[str, Any]:
    return {"status": status, "request_id": uuid4().hex, **why}
