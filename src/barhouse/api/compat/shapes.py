"""The shapes of vendors' good answers, as OpenAPI tells them; answers themselves never pass through these models."""

from __future__ import annotations

from datetime import date
from typing import (
    Any,
    Literal,
    NotRequired,  # before Python 3.12 pydantic needs these
)

from pydantic import BaseModel, Field
from typing_extensions import TypedDict

Answers = dict[int | str, dict[str, Any]]


class Aggregate(TypedDict):
    """A bar of Polygon's: volume, open, close, high, low, the first millisecond; what it does not know is left out."""

    v: float | None
    vw: NotRequired[float]
    o: float | None
    c: float | None
    h: float | None
    l: float | None  # noqa: E741
    t: int
    n: NotRequired[int]
    T: NotRequired[str]


class Aggregates(TypedDict):
    """A page of Polygon's bars."""

    ticker: str
    status: Literal["OK"]
    adjusted: bool
    queryCount: int
    resultsCount: int
    request_id: str
    count: NotRequired[int]
    results: NotRequired[list[Aggregate]]
    next_url: NotRequired[str]


class Split(TypedDict):
    """A split, as Polygon lists it."""

    ticker: str
    execution_date: date
    split_from: int
    split_to: int


class Dividend(TypedDict):
    """A dividend, as Polygon lists it."""

    ticker: str
    ex_dividend_date: date
    cash_amount: float
    currency: str
    dividend_type: str
    frequency: int


class Ticker(TypedDict):
    """A ticker, as Polygon lists it."""

    ticker: str
    name: str
    market: Literal["stocks", "crypto"]
    locale: str
    active: bool
    currency_name: str
    last_updated_utc: str
    type: NotRequired[str]
    primary_exchange: NotRequired[str]


class Listing(TypedDict):
    """A page of what Polygon lists."""

    status: Literal["OK"]
    request_id: str
    next_url: NotRequired[str]


class Splits(Listing):
    """A page of splits."""

    results: list[Split]


class Dividends(Listing):
    """A page of dividends."""

    results: list[Dividend]


class Tickers(Listing):
    """A page of tickers."""

    results: list[Ticker]
    count: int


class Nothing(TypedDict):
    """An empty object."""


class ServerTime(TypedDict):
    """The time at Binance."""

    serverTime: int


class Pair(TypedDict):
    """A pair at Binance."""

    symbol: str
    status: Literal["TRADING"]
    baseAsset: str
    quoteAsset: str
    filters: list[dict[str, str]]


class ExchangeInfo(TypedDict):
    """Binance's particulars."""

    timezone: Literal["UTC"]
    serverTime: int
    rateLimits: list[dict[str, Any]]
    exchangeFilters: list[dict[str, Any]]
    symbols: list[Pair]


Kline = tuple[int, str, str, str, str, str, int, str, int, str, str, str]
"""Open time, open, high, low, close, volume, close time, turnover, trades, taker's volume and turnover, nothing."""


class Result(TypedDict):
    """A chart of Yahoo's: lists side by side, one place a bar."""

    meta: dict[str, Any]
    timestamp: NotRequired[list[int]]
    indicators: dict[str, list[dict[str, list[float | None]]]]
    events: NotRequired[dict[str, dict[str, dict[str, Any]]]]


class Chart(BaseModel):
    """What stands under `chart`."""

    result: list[Result] = Field(min_length=1, max_length=1)
    error: None


class YahooAnswer(BaseModel):
    """What Yahoo answers."""

    chart: Chart


def told(model: Any) -> Answers:
    """What OpenAPI is told of the good answer of an endpoint that writes it by itself."""
    return {200: {"model": model}}
