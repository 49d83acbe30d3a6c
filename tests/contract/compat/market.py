"""What the vendor side sells, a warehouse filled from it by the real adapters, and what that one sells in turn."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import polars as pl
from pydantic import SecretStr

from barhouse.api.app import create
from barhouse.api.compat.frames import FrameShelf
from barhouse.api.sample import sample
from barhouse.api.vendor_side import served
from barhouse.config import Settings
from barhouse.flow import reads
from barhouse.flow.backfill import Outcome, backfill
from barhouse.flow.plan import Wanted, plan
from barhouse.model import AssetClass, Instrument, Series, Span, Timeframe
from barhouse.sources import configured
from barhouse.store import instruments
from barhouse.store.postgres import Database
from barhouse.store.reading import Selection
from tests.contract.market import COIN, NOW, SPAN, STOCK, Bar, expected, minutes
from tests.servers import Server

AAPL, SPY, BTC = Instrument("AAPL"), Instrument("SPY", AssetClass.ETF), Instrument("BTC", AssetClass.CRYPTO)
LONG = Span(datetime(2000, 3, 1, tzinfo=UTC), datetime(2013, 3, 2, tzinfo=UTC))
SERIES = [
    Wanted(Series(of, timeframe), span)
    for of, span, timeframes in (
        (AAPL, LONG, (Timeframe.D1, Timeframe.W1)),
        (SPY, SPAN, (Timeframe.M5, Timeframe.M30, Timeframe.H1, Timeframe.H4, Timeframe.D1)),
        (BTC, SPAN, (Timeframe.M5, Timeframe.H1, Timeframe.H4, Timeframe.D1, Timeframe.W1)),
    )
    for timeframe in timeframes
]
"""A stock with its splits and dividends, a fund with its extended hours, and a coin."""


@lru_cache(maxsize=1)
def shelf() -> FrameShelf:
    """What the vendors have."""
    days = sample().bars("AAPL", AssetClass.STOCK, Timeframe.D1, LONG.start, LONG.end)
    assert days is not None
    return FrameShelf(
        {
            ("AAPL", AssetClass.STOCK, Timeframe.D1): days,
            ("SPY", AssetClass.ETF, Timeframe.M1): _frame(minutes(STOCK)),
            ("SPY", AssetClass.ETF, Timeframe.D1): _frame(expected(STOCK, Timeframe.D1)),
            ("BTC", AssetClass.CRYPTO, Timeframe.M1): _frame(minutes(COIN)),
        },
        splits={"AAPL": sample().splits(["AAPL"]).drop("symbol")},
        dividends={"AAPL": sample().dividends(["AAPL"]).drop("symbol")},
        now=lambda: NOW,
    )


def _frame(bars: list[Bar]) -> pl.DataFrame:
    """Bars with all that Polygon and Binance tell."""
    five = {name: [getattr(bar, name) for bar in bars] for name in ("time", "open", "high", "low", "close", "volume")}
    price = (pl.col("high") + pl.col("low")) / 2
    return pl.DataFrame(five).with_columns(
        vwap=price,
        trades=pl.col("volume") * 3,
        quote_volume=pl.col("volume") * price,
        taker_buy_volume=pl.col("volume") / 4,
    )


def settings(vendors: dict[str, str], **more: Any) -> Settings:
    """Settings for vendors at these addresses, in a hurry."""
    told = {"polygon_api_key": "k", "polygon_calls_per_minute": 0, "binance_futures_url": ""}
    return Settings.model_validate(told | {f"{name}_url": url for name, url in vendors.items()} | more)


def fill(db: Database, vendors: dict[str, str], wanted: list[Wanted]) -> list[Outcome]:
    """Backfill some series through the real adapters."""
    with db.transaction() as connection:
        every = [Wanted(instruments.add_series(connection, one.series), one.span) for one in wanted]

    async def run() -> list[Outcome]:
        sources = configured(settings(vendors))
        try:
            return await backfill(db, plan(db, sources, every, NOW), now=NOW)
        finally:
            for source in sources.values():
                await source.close()

    return asyncio.run(run())


@contextmanager
def warehouse(server: Server, vendors: dict[str, str], wanted: list[Wanted]) -> Iterator[str]:
    """The URL of a database that was filled from these vendors."""
    with server.database() as url:
        with Database(url) as db:
            failed = [outcome for outcome in fill(db, vendors, wanted) if outcome.errors]
            assert failed == []
        yield url


@contextmanager
def opened(url: str) -> Iterator[str]:
    """The address of the API over a database."""
    with served(create(Settings(database_url=SecretStr(url)))) as base:
        yield base


def compat(base: str) -> dict[str, str]:
    """The vendors' addresses at a Barhouse."""
    return {vendor: f"{base}/compat/{vendor}" for vendor in ("polygon", "yahoo", "binance")}


def stored(url: str, series: Series) -> pl.DataFrame:
    """All that a warehouse keeps of a series, extended bars too."""
    with Database(url) as db:
        with db.connection() as connection:
            known = instruments.find(connection, series.instrument.symbol, series.instrument.asset_class)
        selection = Selection(Series(known, series.timeframe), extended=True)
        return reads.bars(db, selection, 1_000_000).drop("source", "quality_score", "flags", "validated")
