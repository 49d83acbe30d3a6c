"""Yahoo's protocol: the v8 chart, adjusted for every later split."""

from __future__ import annotations

from typing import Any

import orjson
from fastapi import APIRouter, Request, Response

from barhouse.api.compat import Shelf
from barhouse.api.compat.yahoo import chart
from barhouse.api.compat.yahoo.ask import WireError, asked


def router(shelf: Shelf) -> APIRouter:
    """Yahoo's chart over `shelf`."""
    routes = APIRouter()

    @routes.get("/v8/finance/chart/{symbol}")
    def bars(request: Request, symbol: str) -> Response:
        try:
            return _response([chart.result(shelf, asked(request, shelf, symbol))], None)
        except WireError as refusal:
            error = {"code": refusal.code, "description": str(refusal)}
            return _response(None, error, refusal.status)

    return routes


def _response(result: Any, error: dict[str, str] | None, status: int = 200) -> Response:
    body = orjson.dumps({"chart": {"result": result, "error": error}})
    return Response(body, status, media_type="application/json;charset=utf-8")
