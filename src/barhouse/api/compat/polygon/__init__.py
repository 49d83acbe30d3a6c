"""Polygon's protocol (Massive since 2025): aggregates, splits, dividends, tickers."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any
from uuid import uuid4

import orjson
from fastapi import APIRouter, Request, Response

from barhouse.api.compat import Shelf
from barhouse.api.compat.polygon import aggregates, reference
from barhouse.api.compat.polygon.wire import WireError

MOST = 50_000
"""Base aggregates that the vendor reads for one answer."""


def router(shelf: Shelf, *, keys: Collection[str] | None = None, most: int = MOST) -> APIRouter:
    """Polygon over `shelf`, for any key or for these; `most` is the greatest limit that counts."""
    routes = APIRouter()

    def guarded(request: Request, answer: Callable[[], dict[str, Any]]) -> Response:
        try:
            _authorize(request, keys)
            return _response({**answer(), "request_id": uuid4().hex})
        except WireError as refusal:
            body = {"status": "ERROR", "request_id": uuid4().hex, "error": str(refusal)}
            return _response(body, refusal.status)

    @routes.get("/v2/aggs/ticker/{ticker}/range/{multiplier}/{timespan}/{start}/{end}")
    def bars(request: Request, ticker: str, multiplier: str, timespan: str, start: str, end: str) -> Response:
        def answer() -> dict[str, Any]:
            ask = aggregates.asked(request, ticker, (multiplier, timespan), (start, end), most)
            return aggregates.page(request, ask, aggregates.windows(shelf, ask))

        return guarded(request, answer)

    @routes.get("/v3/reference/splits")
    def splits(request: Request) -> Response:
        return guarded(request, lambda: reference.splits(request, shelf))

    @routes.get("/v3/reference/dividends")
    def dividends(request: Request) -> Response:
        return guarded(request, lambda: reference.dividends(request, shelf))

    @routes.get("/v3/reference/tickers")
    def tickers(request: Request) -> Response:
        return guarded(request, lambda: reference.tickers(request, shelf))

    return routes


def _response(body: dict[str, Any], status: int = 200) -> Response:
    return Response(orjson.dumps(body), status, media_type="application/json")


def _authorize(request: Request, keys: Collection[str] | None) -> None:
    """Let a request through that bears a key, as header or as parameter."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    key = key if scheme.lower() == "bearer" else request.query_params.get("apiKey", "")
    if not key:
        raise WireError(401, "API Key was not provided")
    if keys is not None and key not in keys:
        raise WireError(401, "Unknown API Key")
