"""Refusals as vendors write them: their clients read no others."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Literal
from uuid import uuid4

from pydantic import BaseModel, Field


class PolygonRefusal(BaseModel):
    """What Polygon refuses."""

    status: Literal["ERROR", "NOT_AUTHORIZED"]
    request_id: str
    error: str = Field(default="", description="What is wrong with the request; absent under NOT_AUTHORIZED.")
    message: str = Field(default="", description="What the key, or the warehouse, does not cover.")


class BinanceRefusal(BaseModel):
    """What Binance refuses."""

    code: int = Field(description="-1003 too many requests, -1121 unknown symbol, -2015 no good key, and so on.")
    msg: str


class YahooError(BaseModel):
    """Why."""

    code: str
    description: str


class YahooChart(BaseModel):
    """A chart that there is not."""

    result: None
    error: YahooError


class YahooRefusal(BaseModel):
    """What Yahoo refuses."""

    chart: YahooChart


SHAPES: dict[str, type[BaseModel]] = {
    "/compat/polygon": PolygonRefusal,
    "/compat/binance": BinanceRefusal,
    "/compat/yahoo": YahooRefusal,
}
"""By the beginning of a path."""

_CODES = {401: -2015, 403: -2015, 404: -1121, 429: -1003, 503: -1001}
"""Binance's numbers; any other refusal is a parameter that it does not like."""


def shape(path: str) -> type[BaseModel] | None:
    """How the vendor of a path refuses; None for a path of our own."""
    return SHAPES.get("/".join(path.split("/", 3)[:3]))


def refusal(path: str, status: int, why: str) -> dict[str, Any] | None:
    """A refusal in the shape of the vendor whose path that is; None for a path of our own."""
    match shape(path):
        case kind if kind is PolygonRefusal:
            told = {"status": "NOT_AUTHORIZED", "message": why} if status == 403 else {"status": "ERROR", "error": why}
            return {**told, "request_id": uuid4().hex}
        case kind if kind is BinanceRefusal:
            return {"code": _CODES.get(status, -1100), "msg": why}
        case kind if kind is YahooRefusal:
            return {"chart": {"result": None, "error": {"code": HTTPStatus(status).phrase, "description": why}}}
        case _:
            return None
