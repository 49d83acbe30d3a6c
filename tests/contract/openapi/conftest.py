"""A warehouse with something of everything, served over a real socket."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import urlsplit

import psycopg
import pytest

from barhouse.api.vendor_side import create, served
from barhouse.database import DatabaseService
from barhouse.flow.plan import Wanted
from barhouse.model import Series, Span, Timeframe
from tests.contract.compat import market
from tests.contract.market import SPAN
from tests.servers import Server

ODD = """
INSERT INTO market_data (symbol, asset_class, timeframe, time, open, high, low, close, volume, source, validated,
                         quality_score)
SELECT symbol, asset_class, timeframe, time + interval '5 hours', open, high, low, close * 1.5, volume, source, false,
       0.5
FROM market_data WHERE symbol = 'AAPL' AND timeframe = '1d' AND time < '2012-01-10';
INSERT INTO market_data (symbol, asset_class, timeframe, time, open, high, low, close, volume, source, validated,
                         quality_score)
VALUES ('AAPL', 'stock', '1d', '2012-05-10Z', 10, 12, 9, 11, 100, 'polygon', true, 1)
"""
"""Duplicates, a gap and an outlier behind it."""

YEAR = Span(datetime(2012, 1, 3, tzinfo=UTC), datetime(2012, 4, 1, tzinfo=UTC))
SERIES = [
    Wanted(Series(market.AAPL, Timeframe.D1), YEAR),
    Wanted(Series(market.SPY, Timeframe.M30), SPAN),
    Wanted(Series(market.BTC, Timeframe.H1), SPAN),
]


@pytest.fixture(scope="package")
def stocked(server: Server) -> Iterator[str]:
    """The name of a database with bars of a stock, a fund and a coin, and with much that can be wrong with them."""
    with served(create(market.shelf())) as vendors:
        addresses = dict.fromkeys(("polygon", "yahoo", "binance"), vendors)
        with market.warehouse(server, addresses, SERIES) as url:
            with psycopg.connect(url) as connection:
                connection.execute(ODD)
            service = DatabaseService(url)
            service.detect_data_anomalies()
            service.close()
            name = urlsplit(url).path[1:]
            with psycopg.connect(server.url, autocommit=True) as connection:
                # No database is copied while anybody is in it, and pools leave in their own time
                connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
            yield name


@pytest.fixture(scope="module")
def warehouse(server: Server, stocked: str) -> Iterator[str]:
    """The URL of a copy of it."""
    with server.scratch(template=stocked) as url:
        yield url
