"""How the vendors' own clients bear a key of Barhouse."""

from __future__ import annotations

from collections.abc import Iterator

import ccxt
import httpx
import psycopg
import pytest
from massive import RESTClient
from massive.exceptions import BadResponse

from barhouse.flow.keys import create_key
from barhouse.store.keys import Role
from barhouse.store.postgres import Database
from tests.contract.compat import market
from tests.servers import Server

BARS = """
INSERT INTO market_data (symbol, asset_class, timeframe, time, open, high, low, close, volume, source, validated,
                         quality_score)
VALUES ('AAPL', 'stock', '1d', '2024-03-04Z', 10, 12, 9, 11, 100, 'polygon', true, 1),
       ('VOD', 'stock', '1d', '2024-03-04Z', 10, 12, 9, 11, 100, 'file', true, 1),
       ('BTC', 'crypto', '1d', '2024-03-04Z', 10, 12, 9, 11, 100, 'binance', true, 1);
UPDATE instrument SET exchange = 'XLON' WHERE symbol = 'VOD'
"""


@pytest.fixture(scope="module")
def locked(server: Server) -> Iterator[tuple[str, str]]:
    """The address of a Barhouse that asks for keys, and one that may read."""
    with server.database() as url:
        with psycopg.connect(url) as connection:
            connection.execute(BARS)
        with Database(url) as db:
            key = create_key(db, "scripts", role=Role.READ, by="test").text
        with market.opened(url) as base:
            yield base, key


def test_polygons_client_sends_it_as_the_vendors_key(locked: tuple[str, str]) -> None:
    base, key = locked
    question = ("AAPL", 1, "day", "2024-03-01", "2024-03-08")

    [bar] = RESTClient(key, base=f"{base}/compat/polygon").list_aggs(*question)
    with pytest.raises(BadResponse):
        list(RESTClient("wrong", base=f"{base}/compat/polygon").list_aggs(*question))

    assert (bar.close, bar.volume) == (11, 100)


def test_ccxt_sends_it_as_a_header(locked: tuple[str, str]) -> None:
    base, key = locked
    urls = {"urls": {"api": {"public": f"{base}/compat/binance/api/v3"}}}
    only_spot = {"options": {"fetchMarkets": {"types": ["spot"]}}, "enableRateLimit": False}

    [bar] = ccxt.binance({**urls, **only_spot, "headers": {"X-API-Key": key}}).fetch_ohlcv("BTC/USDT", "1d", since=0)
    with pytest.raises(ccxt.BaseError):
        ccxt.binance({**urls, **only_spot}).fetch_ohlcv("BTC/USDT", "1d", since=0)

    assert bar[1:] == [10, 12, 9, 11, 100]


def test_stocks_of_other_zones_are_not_sold_by_new_yorks_clock(locked: tuple[str, str]) -> None:
    base, key = locked
    headers = {"X-API-Key": key}
    tickers = httpx.get(f"{base}/compat/polygon/v3/reference/tickers", headers=headers).json()["results"]

    assert [ticker["ticker"] for ticker in tickers] == ["AAPL", "X:BTCUSD"]
    assert httpx.get(f"{base}/compat/yahoo/v8/finance/chart/VOD", headers=headers).status_code == 404
