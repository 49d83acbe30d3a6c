"""Binance's protocol: klines, the spot market's particulars, and three of the USD-M futures' statistics."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import orjson
import polars as pl
from fastapi import APIRouter, Request, Response

from barhouse.api.compat import FuturesShelf, Shelf, Shelves, parameters, shapes
from barhouse.api.compat.shapes import told
from barhouse.api.compat.windows import NotKept, Stretch, crypto, epoch, held, instant, paired, windowed
from barhouse.model import Instrument, Timeframe

INTERVALS = {
    "1m": 1, "3m": 3, "5m": 5, "15m": 15, "30m": 30, "1h": 60, "2h": 120, "4h": 240, "6h": 360, "8h": 480, "12h": 720
}  # fmt: skip
_DAYS = {"1d": "1d", "3d": "3d", "1w": "1w", "1M": "1mo"}
_LENGTHS = {**INTERVALS, "1d": 1440, "3d": 4320, "1w": 10_080, "1M": 44_640}
_PERIODS = {"5m", "15m", "30m", "1h", "2h", "4h", "6h", "12h", "1d"}
_QUOTES = ["FDUSD", "USDT", "USDC", "BUSD", "USD", "EUR", "BTC", "ETH", "BNB"]
_STATISTICS = timedelta(days=30)
_WEIGHTS = {"klines": 2, "exchangeInfo": 20}

_ZERO = "0.00000000"
_FILTERS = [
    {"filterType": "PRICE_FILTER", "minPrice": "0.00000001", "maxPrice": "1000000.00000000", "tickSize": "0.00000001"},
    {"filterType": "LOT_SIZE", "minQty": "0.00000001", "maxQty": "9000.00000000", "stepSize": "0.00000001"},
]
ASKED = parameters(
    symbol="The pair: BTCUSDT.",
    interval="1m to 12h, 1d, 3d, 1w or 1M.",
    startTime="Epoch milliseconds of the first open; left out, the newest bars come.",
    endTime="Epoch milliseconds, included; now.",
    limit="Bars; 500, at most 1000.",
)


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

    def answered(self, request: Request, ask: Callable[[], Any]) -> Response:
        """What the vendor answers, with the weight of the minute."""
        used = self.add(_WEIGHTS.get(request.url.path.rsplit("/", 1)[-1], 1))
        try:
            status, body = 200, ask()
        except WireError as error:
            status, body = 400, {"code": error.code, "msg": str(error)}
        except NotKept as ignorance:
            status, body = 400, {"code": -1120, "msg": f"Invalid interval. {ignorance}"}
        headers = {"X-MBX-USED-WEIGHT": str(used), "X-MBX-USED-WEIGHT-1M": str(used)}
        return Response(orjson.dumps(body), status, headers, "application/json")


def router(shelves: Shelves) -> APIRouter:
    """Binance's spot market over the shelves of requests."""
    routes, weight = APIRouter(), _Weight()

    @routes.get("/api/v3/ping", summary="Whether somebody is there, as Binance answers", responses=told(shapes.Nothing))
    def ping(request: Request) -> Response:
        """An empty object."""
        return weight.answered(request, dict)

    @routes.get("/api/v3/time", summary="The time, as Binance answers", responses=told(shapes.ServerTime))
    def server_time(request: Request) -> Response:
        """Epoch milliseconds."""
        return weight.answered(request, lambda: {"serverTime": _now(shelves(request))})

    @routes.get("/api/v3/exchangeInfo", summary="The pairs, as Binance answers", responses=told(shapes.ExchangeInfo))
    def exchange_info(request: Request) -> Response:
        """The coins that there are bars of; one whose symbol names no currency is quoted in USDT."""
        return weight.answered(request, lambda: _particulars(shelves(request)))

    @routes.get(
        "/api/v3/klines", summary="Bars, as Binance answers", responses=told(list[shapes.Kline]), openapi_extra=ASKED
    )
    def klines(request: Request) -> Response:
        """Bars of the UTC clock: `symbol`, `interval`, `startTime`, `endTime` (both included), `limit` (1000 at most).

        An unknown symbol is refused with -1121, an interval that no bars were read for with -1120.
        """
        return weight.answered(request, lambda: _klines(shelves(request), request.query_params))

    return routes


def futures(shelf: FuturesShelf) -> APIRouter:
    """What `shelf` has of the statistics of Binance's USD-M futures."""
    routes, weight = APIRouter(), _Weight()

    @routes.get("/fapi/v1/fundingRate")
    def funding(request: Request) -> Response:
        return weight.answered(request, lambda: _funding(shelf, request.query_params))

    @routes.get("/futures/data/openInterestHist")
    def open_interest(request: Request) -> Response:
        return weight.answered(request, lambda: _open_interest(shelf, request.query_params))

    @routes.get("/futures/data/globalLongShortAccountRatio")
    def long_short(request: Request) -> Response:
        return weight.answered(request, lambda: _long_short(shelf, request.query_params))

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
    if len(text) > 18 or not text.removeprefix("-").isdecimal():
        raise WireError(-1100, f"Illegal characters found in parameter '{name}'; legal range is '^[0-9]{{1,20}}$'.")
    return int(text)


def _klines(shelf: Shelf, query: Mapping[str, str]) -> orjson.Fragment:
    """The bars whose open lies in the span, both ends included: the first ones, or the last ones without a start."""
    of, interval = _instrument(shelf, query), query.get("interval", "")
    if interval not in {*INTERVALS, *_DAYS}:
        raise WireError(-1120, "Invalid interval.")
    start, end = _number(query, "startTime", 0), _number(query, "endTime", _now(shelf))
    most, newest = max(min(_number(query, "limit", 500), 1000), 1), "startTime" not in query
    length = _LENGTHS[interval]
    stretch = Stretch(instant(start), instant(end) + timedelta(minutes=length), (most + 2) * length, newest)
    bars = _bars(shelf, of, interval, stretch).with_columns(epoch(pl.col("time")).alias("t"))
    bars = bars.filter(pl.col("t").is_between(start, end))
    return _arrays(bars.tail(most) if newest else bars.head(most), interval)


def _bars(shelf: Shelf, of: Instrument, interval: str, stretch: Stretch) -> pl.DataFrame:
    """The bars of an interval by the UTC clock: as they are, else out of the longest that fit."""
    length = _LENGTHS[interval]
    fitting = [step for step in reversed(list(Timeframe)) if length % step.minutes == 0]
    bars, step = held(shelf, of, fitting, stretch)
    if step.minutes == length:
        return bars
    return windowed(bars, pl.col("time").dt.truncate(_DAYS.get(interval, f"{length}m")))


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


def _reported(
    shelf: FuturesShelf, query: Mapping[str, str], name: str, most: int, usual: int
) -> list[tuple[int, float]]:
    """What the exchange reported of a coin in the span, epoch milliseconds and value: the first, or the last ones."""
    of = _instrument(shelf, query)
    start, end = _number(query, "startTime", 0), _number(query, "endTime", _now(shelf))
    values = shelf.inputs(of.symbol, name).select(epoch(pl.col("time")).alias("t"), "value").drop_nulls()
    values = values.filter(pl.col("t").is_between(start, end))
    count = min(_number(query, "limit", usual), most)
    return (values.head(count) if "startTime" in query else values.tail(count)).rows()


def _statistic(shelf: FuturesShelf, query: Mapping[str, str], name: str) -> list[tuple[int, float]]:
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


def _funding(shelf: FuturesShelf, query: Mapping[str, str]) -> list[dict[str, Any]]:
    return [
        {"symbol": query["symbol"], "fundingTime": moment, "fundingRate": f"{rate:.8f}", "markPrice": ""}
        for moment, rate in _reported(shelf, query, "funding_rate", 1000, 100)
    ]


def _open_interest(shelf: FuturesShelf, query: Mapping[str, str]) -> list[dict[str, Any]]:
    return [
        {
            "symbol": query["symbol"],
            "sumOpenInterest": f"{held:.8f}",
            "sumOpenInterestValue": _ZERO,
            "timestamp": moment,
        }
        for moment, held in _statistic(shelf, query, "open_interest")
    ]


def _long_short(shelf: FuturesShelf, query: Mapping[str, str]) -> list[dict[str, Any]]:
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
