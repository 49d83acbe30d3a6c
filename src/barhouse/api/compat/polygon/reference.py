"""Polygon's reference data: splits, dividends, tickers."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from datetime import UTC
from fractions import Fraction
from typing import Any

from fastapi import Request

from barhouse.api.compat import Shelf
from barhouse.api.compat.polygon.wire import WireError, limit, onward, parameters
from barhouse.api.compat.windows import crypto
from barhouse.model import AssetClass, Instrument
from barhouse.sources.symbols import pair

Row = dict[str, Any]

_TESTS = {"": operator.eq, "gte": operator.ge, "gt": operator.gt, "lte": operator.le, "lt": operator.lt}


def splits(request: Request, shelf: Shelf) -> dict[str, Any]:
    """The splits that the request asks for, newest first."""
    rows = (
        {
            "execution_date": effective.isoformat(),
            "split_from": (share := Fraction(ratio).limit_denominator(1000)).denominator,
            "split_to": share.numerator,
            "ticker": symbol,
        }
        for symbol, effective, ratio in shelf.splits(_stocks(request, shelf)).iter_rows()
    )
    return _listing(request, rows, "execution_date", "desc")


def dividends(request: Request, shelf: Shelf) -> dict[str, Any]:
    """The dividends that the request asks for, newest first."""
    rows = (
        {
            "cash_amount": amount,
            "currency": "USD",
            "dividend_type": "CD",
            "ex_dividend_date": effective.isoformat(),
            "frequency": 4,
            "ticker": symbol,
        }
        for symbol, effective, amount in shelf.dividends(_stocks(request, shelf)).iter_rows()
    )
    return _listing(request, rows, "ex_dividend_date", "desc")


def tickers(request: Request, shelf: Shelf) -> dict[str, Any]:
    """The tickers that the request asks for, in alphabetical order; all of a shelf's are active."""
    stamp = shelf.now().astimezone(UTC).strftime("%Y-%m-%dT00:00:00Z")
    rows = ({**_ticker(of), "last_updated_utc": stamp} for of in shelf.instruments())
    listing = _listing(request, rows, "ticker", "asc", most=100)
    return {**listing, "count": len(listing["results"])}


def _stocks(request: Request, shelf: Shelf) -> list[str]:
    """The stocks that the request can mean: the one that it names, or all."""
    stocks = {of.symbol: None for of in shelf.instruments() if not crypto(of)}
    named = parameters(request).get("ticker")
    return [symbol for symbol in stocks if named in (None, symbol)]


def _ticker(of: Instrument) -> Row:
    if crypto(of):
        return _named(f"X:{''.join(pair(of.symbol))}", of, {"market": "crypto", "locale": "global"})
    kind = "ETF" if of.asset_class is AssetClass.ETF else "CS"
    home = {"market": "stocks", "locale": "us", "primary_exchange": of.exchange, "type": kind}
    return _named(of.symbol, of, home)


def _named(ticker: str, of: Instrument, home: Mapping[str, str]) -> Row:
    return {"ticker": ticker, "name": of.symbol, **home, "active": True, "currency_name": "usd"}


def _listing(request: Request, rows: Iterable[Row], sort: str, order: str, most: int = 10) -> dict[str, Any]:
    """A page of the rows that the parameters ask for, and where the next one is."""
    query = parameters(request)
    chosen = [row for row in rows if all(_fits(row, name, value) for name, value in query.items())]
    key = query.get("sort", sort)
    chosen.sort(key=lambda row: str(row.get(key)), reverse=query.get("order", order) == "desc")
    start, size = _marker(query), min(limit(query, most), 1000)
    body = {"results": chosen[start : start + size], "status": "OK"}
    if start + size >= len(chosen):
        return body
    marker = {**query, "page_marker": str(start + size)}
    return {**body, "next_url": onward(request, request.url.path, marker)}


def _marker(query: Mapping[str, str]) -> int:
    text = query.get("page_marker", "0")
    if not text.isdecimal() or len(text) > 18:
        raise WireError(400, "The cursor is invalid")
    return int(text)


def _fits(row: Row, parameter: str, value: str) -> bool:
    """Whether a row is one that `parameter=value` asks for; parameters that name no field fit all."""
    name, _, test = parameter.partition(".")
    if name not in row or test not in _TESTS:
        return True
    have = str(row[name])
    return bool(_TESTS[test](have.lower() if isinstance(row[name], bool) else have, value))
