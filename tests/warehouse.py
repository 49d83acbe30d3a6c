"""A warehouse with real bars in it, and with some of every odd kind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from barhouse.flow import sessions
from barhouse.flow.batch import Batch
from barhouse.flow.ingest import keep
from barhouse.store.postgres import Database
from tests.answers import answer, kept, real
from tests.servers import Server

ODD_HOURS = """
INSERT INTO market_data (symbol, asset_class, timeframe, time, open, high, low, close, volume, source, validated,
                         quality_score, extended, forming)
VALUES ('ODD', 'stock', '1h', '2024-03-04 13:00Z', 9, 9, 9, 9, 1, 'yahoo', true, 0.9, true, false),
       ('ODD', 'stock', '1h', '2024-03-04 14:00Z', 10, 10, 10, 10, 2, 'yahoo', true, 1.0, false, false),
       ('ODD', 'stock', '1h', '2024-03-04 15:00Z', 11, 11, 11, 11, 3, 'yahoo', false, 0.5, false, false),
       ('ODD', 'stock', '1h', '2024-03-04 16:00:00.25Z', 12, 12, 12, 'NaN', 'Infinity', 'elsewhere', true, NULL,
        false, false),
       ('ODD', 'stock', '1h', '2024-03-04 17:00Z', 13, 13, 13, 13, 5, NULL, true, 0.95, false, false),
       ('ODD', 'stock', '1h', '2024-03-04 18:00Z', 14, 14, 14, 14, 6, 'yahoo', true, 1.0, false, true)
"""
"""One outside the session, two good ones, one that is not validated, one that is no number, one still forming."""

TWO_OF_A_NAME = """
INSERT INTO market_data (symbol, asset_class, timeframe, time, open, high, low, close, volume, source, validated,
                         quality_score, quote_volume, taker_buy_volume, funding_rate)
VALUES ('BTC', 'crypto', '1d', '2024-03-04 00:00Z', 63000, 68000, 62000, 67000, 5.5, 'binance', true, 1, 99, 3, 0.0001),
       ('BTC', 'etf', '1d', '2024-03-04 00:00Z', 28, 30, 27, 29, 1000, 'yahoo', true, 1, NULL, NULL, NULL),
       ('ETH', 'crypto', '1d', '2024-03-04 00:00Z', 3400, 3600, 3300, 3500, 7.5, 'binance', true, 1, 88, 4, 0.0002)
"""


@contextmanager
def filled(server: Server) -> Iterator[str]:
    """The URL of a database with AAPL's real daily bars, hours of every odd kind, and two instruments called BTC."""
    with server.database() as url:
        with Database(url) as db:
            keep(db, Batch([answer(kept(db, "AAPL"), real("AAPL"))], sessions.calendar(db, "XNYS")))
        with psycopg.connect(url) as connection:
            connection.execute(ODD_HOURS)
            connection.execute(TWO_OF_A_NAME)
        yield url
