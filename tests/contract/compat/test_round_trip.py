"""A vendor's own client hears the same from the warehouse as from the vendor that filled it."""

from __future__ import annotations

from typing import Any

import ccxt
import polars as pl
import pytest
from massive import RESTClient
from polars.testing import assert_frame_equal

from barhouse.model import Series
from tests.contract.compat import market
from tests.contract.market import SPAN
from tests.servers import Server


def aggregates(base: str, *question: Any, **more: Any) -> pl.DataFrame:
    """What Polygon's client reads."""
    return pl.DataFrame([vars(bar) for bar in RESTClient("k", base=base).list_aggs(*question, **more)])


@pytest.mark.parametrize(("sort", "adjusted"), [("asc", False), ("asc", True), ("desc", True)])
@pytest.mark.parametrize(
    ("ticker", "multiplier", "timespan", "limit", "count"),
    [
        ("AAPL", 1, "day", 1000, 3270),
        ("AAPL", 1, "week", 1000, 679),
        ("AAPL", 1, "month", 1000, 157),
        ("SPY", 5, "minute", 900, 1080),
        ("SPY", 30, "minute", 900, 180),
        ("SPY", 1, "hour", 900, 90),
        ("SPY", 4, "hour", 900, 30),
        ("SPY", 1, "day", 3, 10),
        ("X:BTCUSD", 1, "hour", 5000, 336),
        ("X:BTCUSD", 1, "day", 5, 15),
    ],
)
def test_polygons_client_reads_the_same_over_several_pages(
    vendors: str, barhouse: str, *, ticker: str, multiplier: int, timespan: str, limit: int, count: int,
    sort: str, adjusted: bool,
) -> None:  # fmt: skip
    question = (ticker, multiplier, timespan, "2000-01-01", "2024-03-18")

    ours = aggregates(f"{barhouse}/compat/polygon", *question, limit=limit, sort=sort, adjusted=adjusted)

    theirs = aggregates(vendors, *question, limit=limit, sort=sort, adjusted=adjusted)
    assert_frame_equal(ours, theirs, rel_tol=1e-12, abs_tol=0)
    assert len(ours) == count


def test_polygons_client_reads_the_same_splits_and_dividends(vendors: str, barhouse: str) -> None:
    ours, theirs = (RESTClient("k", base=base) for base in (f"{barhouse}/compat/polygon", vendors))

    for told in ("list_splits", "list_dividends"):
        rows = [vars(row) for row in getattr(ours, told)(ticker="AAPL", limit=1)]
        assert rows == [vars(row) for row in getattr(theirs, told)(ticker="AAPL", limit=1)]
        assert len(rows) > 1


def exchange(base: str) -> ccxt.binance:
    """ccxt's Binance at another address."""
    binance = ccxt.binance({"options": {"fetchMarkets": {"types": ["spot"]}}, "enableRateLimit": False})
    binance.urls["api"]["public"] = f"{base}/api/v3"
    return binance


def candles(base: str, timeframe: str) -> list[list[float]]:
    """What ccxt reads, a hundred bars at a time."""
    binance, since, read = exchange(base), int(SPAN.start.timestamp() * 1000), []
    while batch := binance.fetch_ohlcv("BTC/USDT", timeframe, since=since, limit=100):
        read += batch
        since = int(batch[-1][0]) + 1
    return read


@pytest.mark.parametrize(
    ("timeframe", "count"), [("5m", 4032), ("15m", 1344), ("1h", 336), ("4h", 84), ("1d", 14), ("1w", 2)]
)
def test_ccxt_reads_the_same(vendors: str, barhouse: str, timeframe: str, count: int) -> None:
    ours = candles(f"{barhouse}/compat/binance", timeframe)

    assert ours == candles(vendors, timeframe)
    assert len(ours) == count


def test_ccxt_finds_the_pairs(vendors: str, barhouse: str) -> None:
    ours, theirs = (exchange(base).load_markets() for base in (f"{barhouse}/compat/binance", vendors))

    assert ours == theirs
    assert list(ours) == ["BTC/USDT"]


def test_a_second_barhouse_that_is_fed_by_the_first_ends_with_equal_bars(
    server: Server, filled: str, barhouse: str
) -> None:
    with market.warehouse(server, market.compat(barhouse), market.SERIES) as second:
        for wanted in market.SERIES:
            series: Series = wanted.series
            assert market.stored(second, series).equals(market.stored(filled, series)), series
            assert market.stored(second, series).height > 1
