"""Binance's protocol: klines, the spot market's particulars, and three of the USD-M futures' statistics."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import orjson
import polars as pl
from fastapi import APIRouter, Request, Response

from barhouse.api.compat import Shelf
from barhouse.api.compat.windows import clocked, crypto, epoch, held, instant, paired, windowed
from barhouse.model import Instrument, Timeframe

INTERVALS = {
    "1m": 1, "3m": 3, "5m": 5, "15m": 15, "30m": 30, "1h": 60, "2h": 120, "4h": 240, "6h": 360, "8h": 480, "12h": 720
}  # fmt: skip
_DAYS = {"1d": "1d", "3d": "3d", "1w": "1w", "1M": "1mo"}
_PERIODS = {"5m", "15m", "30m", "1h", "2h", "4h", "6h", "12h", "1d"}
_QUOTES = ["FDUSD", "USDT", "USDC", "BUSD", "USD", "EUR", "BTC", "ETH", "BNB"]
_STATISTICS = timedelta(days=30)
_WEIGHTS = {"klines": 2, "exchangeInfo": 20}

_ZERO = "0.00000000"
_FILTERS = [
    {"filterType": "PRICE_FILTER", "minPrice": "0.00000001", "maxPrice": "1000000.00000000", "tickSize": "0.00000001"},
    {"filterType": "LOT_SIZE", "minQty": "0.00000001", "maxQty": "9000.00000000", "stepSize": "0.00000001"},
]


class WireError(Exception):
    """A request that the vendor answers with an error."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class _Weight:
    """The request weight of the running clock minute."""

    def __init__(self) -> None:
        self._minute, self._used = 0, 0

    def add(self, weight: int) -> int:
        """Use some, and say how much the minute has."""
        minute = int(time.time() // 60)
        self._used = weight + (self._used if minute == self._minute else 0)
        self._minute = minute
        return self._used


def router(shelf: Shelf) -> APIRouter:
    """Binance over `shelf`: the spot market and, under the futures' paths, what it has of their statistics."""
    routes, weight = APIRouter(), _Weight()

    def answered(request: Request, answer: Callable[[], Any]) -> Response:
        used = weight.add(_WEIGHTS.get(request.url.path.rsplit("/", 1)[-1], 1))
        try:
            status, body = 200, answer()
        except WireError as error:
            status, body = 400, {"code": error.code, "msg": str(error)}
        headers = {"X-MBX-USED-WEIGHT": str(used), "X-MBX-USED-WEIGHT-1M": str(used)}
        return Response(orjson.dumps(body), status, headers, "application/json")

    @routes.get("/api/v3/ping")
    def ping(request: Request) -> Response:
        return answered(request, dict)

    @routes.get("/api/v3/time")
    def server_time(request: Request) -> Response:
        return answered(request, lambda: {"serverTime": _now(shelf)})

    @routes.get("/api/v3/exchangeInfo")
    def exchange_info(request: Request) -> Response:
        return answered(request, lambda: _particulars(shelf))

    @routes.get("/api/v3/klines")
    def klines(request: Request) -> Response:
        return answered(request, lambda: _klines(shelf, request.query_params))

    @routes.get("/fapi/v1/fundingRate")
    def funding(request: Request) -> Response:
        return answered(request, lambda: _funding(shelf, request.query_params))

    @routes.get("/futures/data/openInterestHist")
    def open_interest(request: Request) -> Response:
        return answered(request, lambda: _open_interest(shelf, request.query_params))

    @routes.get("/futures/data/globalLongShortAccountRatio")
    def long_short(request: Request) -> Response:
        return answered(request, lambda: _long_short(shelf, request.query_params))

    return routes


def _now(shelf: Shelf) -> int:
    return int(shelf.now().timestamp() * 1000)


def _instrument(shelf: Shelf, query: Mapping[str, str]) -> Instrument:
    symbol = query.get("symbol", "")
    if not symbol:
        raise WireError(-1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.")
    if found := paired(shelf, symbol, "USDT"):
        return found
    raise WireError(-1121, "Invalid symbol.")


def _number(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name, str(default))
    if not text.lstrip("-").isdecimal():
        raise WireError(-1100, f"Illegal characters found in parameter '{name}'; legal range is '^[0-9]{{1,20}}$'.")
    return int(text)


def _klines(shelf: Shelf, query: Mapping[str, str]) -> orjson.Fragment:
    """The bars whose open lies in the span, both ends included: the first ones, or the last ones without a start."""
    of, interval = _instrument(shelf, query), query.get("interval", "")
    if interval not in {*INTERVALS, *_DAYS}:
        raise WireError(-1120, "Invalid interval.")
    start, end = _number(query, "startTime", 0), _number(query, "endTime", _now(shelf))
    most = min(_number(query, "limit", 500), 1000)
    bars = _bars(shelf, of, interval, start, end).with_columns(epoch(pl.col("time")).alias("t"))
    bars = bars.filter(pl.col("t").is_between(start, end))
    return _arrays(bars.head(most) if "startTime" in query else bars.tail(most), interval)


def _bars(shelf: Shelf, of: Instrument, interval: str, start: int, end: int) -> pl.DataFrame:
    """The bars of an interval by the UTC clock."""
    slack = timedelta(days=31 if interval in _DAYS else 1)
    span = instant(start) - slack, instant(end) + slack
    if interval in _DAYS:
        bars, every, done = held(shelf, of, Timeframe.D1, *span), _DAYS[interval], interval == "1d"
    else:
        bars, step = clocked(shelf, of, INTERVALS[interval], *span)
        every, done = f"{INTERVALS[interval]}m", step == INTERVALS[interval]
    return bars if done else windowed(bars, pl.col("time").dt.truncate(every))


def _arrays(bars: pl.DataFrame, interval: str) -> orjson.Fragment:
    """The bars as the vendor writes them: arrays, numbers as strings of eight decimals, what is not known as 0."""
    close = pl.col("time").dt.offset_by(_DAYS.get(interval, f"{INTERVALS.get(interval)}m"))
    share = pl.col("taker_buy_volume") / pl.col("volume")
    text = [pl.col("open"), pl.col("high"), pl.col("low"), pl.col("close"), pl.col("volume")]
    taker = [pl.col("taker_buy_volume"), pl.col("quote_volume") * share.fill_nan(0)]
    rows = bars.select(
        pl.format(
            '[{},"{}","{}","{}","{}","{}",{},"{}",{},"{}","{}","0"]',
            pl.col("t"),
            *map(_decimals, text),
            epoch(close) - 1,
            _decimals(pl.col("quote_volume")),
            pl.col("trades").fill_null(0).cast(pl.Int64),
            *map(_decimals, taker),
        )
    )
    return orjson.Fragment(f"[{','.join(rows.to_series())}]")


def _decimals(number: pl.Expr) -> pl.Expr:
    return number.cast(pl.Decimal(38, 8)).cast(pl.String).fill_null(_ZERO)


def _particulars(shelf: Shelf) -> dict[str, Any]:
    """The pairs that are traded, with what a client has to know before it asks."""
    pairs = [of.symbol.replace("-", "") for of in shelf.instruments() if crypto(of)]
    return {
        "timezone": "UTC",
        "serverTime": _now(shelf),
        "rateLimits": [{"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000}],
        "exchangeFilters": [],
        "symbols": [_pair(pair) for pair in pairs],
    }


def _pair(pair: str) -> dict[str, Any]:
    """One pair; a coin without a quote currency is traded against USDT."""
    quote = next((q for q in _QUOTES if pair.endswith(q) and pair != q), "")
    base, quote = (pair.removesuffix(quote), quote) if quote else (pair, "USDT")
    return {
        "symbol": base + quote,
        "status": "TRADING",
        "baseAsset": base,
        "baseAssetPrecision": 8,
        "quoteAsset": quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "orderTypes": ["LIMIT", "MARKET"],
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": _FILTERS,
        "permissions": ["SPOT"],
    }


def _reported(shelf: Shelf, query: Mapping[str, str], name: str, most: int, usual: int) -> list[tuple[int, float]]:
    """What the exchange reported of a coin in the span, epoch milliseconds and value: the first, or the last ones."""
    of = _instrument(shelf, query)
    start, end = _number(query, "startTime", 0), _number(query, "endTime", _now(shelf))
    values = shelf.inputs(of.symbol, name).select(epoch(pl.col("time")).alias("t"), "value").drop_nulls()
    values = values.filter(pl.col("t").is_between(start, end))
    count = min(_number(query, "limit", usual), most)
    return (values.head(count) if "startTime" in query else values.tail(count)).rows()


def _statistic(shelf: Shelf, query: Mapping[str, str], name: str) -> list[tuple[int, float]]:
    """The same at the period's steps, of the last 30 days only."""
    period = query.get("period", "")
    if period not in _PERIODS:
        raise WireError(-1130, "Data sent for parameter 'period' is not valid.")
    earliest = int((shelf.now() - _STATISTICS).timestamp() * 1000)
    if _number(query, "startTime", earliest) < earliest:
        raise WireError(-1130, "parameter 'startTime' is invalid.")
    step = 86_400_000 if period == "1d" else INTERVALS[period] * 60_000
    wanted = {"startTime": query["startTime"]} if "startTime" in query else {"startTime": str(earliest)}
    found = _reported(shelf, {**query, **wanted, "limit": "1000000"}, name, 1_000_000, 30)
    found = [(moment, value) for moment, value in found if moment % step == 0]
    most = min(_number(query, "limit", 30), 500)
    return found[:most] if "startTime" in query else found[-most:]


def _funding(shelf: Shelf, query: Mapping[str, str]) -> list[dict[str, Any]]:
    return [
        {"symbol": query["symbol"], "fundingTime": moment, "fundingRate": f"{rate:.8f}", "markPrice": ""}
        for moment, rate in _reported(shelf, query, "funding_rate", 1000, 100)
    ]


def _open_interest(shelf: Shelf, query: Mapping[str, str]) -> list[dict[str, Any]]:
    return [
        {
            "symbol": query["symbol"],
            "sumOpenInterest": f"{held:.8f}",
            "sumOpenInterestValue": _ZERO,
            "timestamp": moment,
        }
        for moment, held in _statistic(shelf, query, "open_interest")
    ]


def _long_short(shelf: Shelf, query: Mapping[str, str]) -> list[dict[str, Any]]:
    return [
        {
            "symbol": query["symbol"],
            "longAccount": f"{ratio / (1 + ratio):.4f}",
            "longShortRatio": f"{ratio:.4f}",
            "shortAccount": f"{1 / (1 + ratio):.4f}",
            "timestamp": moment,
        }
        for moment, ratio in _statistic(shelf, query, "long_short_ratio")
    ]
