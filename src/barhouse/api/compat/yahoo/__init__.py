"""Yahoo's protocol: the v8 chart, adjusted for every later split."""

from __future__ import annotations

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Path, Request, Response

from barhouse.api.compat import Shelves, parameters
from barhouse.api.compat.shapes import YahooAnswer, told
from barhouse.api.compat.windows import NotKept
from barhouse.api.compat.yahoo import chart
from barhouse.api.compat.yahoo.ask import WireError, asked

Symbol = Annotated[str, Path(description="As Yahoo writes it: AAPL, BRK-B, BTC-USD.", examples=["AAPL"])]

ASKED = parameters(
    interval="1m to 4h, 1d, 5d, 1wk, 1mo or 3mo; 1d.",
    period1="The first second, since 1970.",
    period2="The last second, since 1970; now.",
    range="Instead of both: 5d, 1mo, 1y, ytd, max and so on, up to now.",
    events="`div,splits` gives dividends and splits beside the bars.",
    includePrePost="`true` gives extended hours too.",
)


def router(shelves: Shelves, *, forgetful: bool) -> APIRouter:
    """Yahoo's chart over the shelves of requests; who is `forgetful` refuses what the vendor no longer keeps."""
    routes = APIRouter()

    @routes.get(
        "/v8/finance/chart/{symbol}", summary="Bars, as Yahoo answers", responses=told(YahooAnswer), openapi_extra=ASKED
    )
    def bars(request: Request, symbol: Symbol) -> Response:
        """Bars with their prices in today's shares, the adjusted close of days, and splits and dividends as `events`.

        `interval`, `period1` and `period2` (epoch seconds, both included) or `range`, `events=div,splits` and
        `includePrePost` are the vendor's. An unknown symbol, and bars that were never read, are refused with 404.
        """
        shelf = shelves(request)
        try:
            return _response([chart.result(shelf, asked(request, shelf, symbol, forgetful=forgetful))], None)
        except WireError as refusal:
            error = {"code": refusal.code, "description": str(refusal)}
            return _response(None, error, refusal.status)
        except NotKept as ignorance:
            return _response(None, {"code": "Not Found", "description": str(ignorance)}, 404)

    return routes


def _response(result: Any, error: dict[str, str] | None, status: int = 200) -> Response:
    body = orjson.dumps({"chart": {"result": result, "error": error}})
    return Response(body, status, media_type="application/json;charset=utf-8")
