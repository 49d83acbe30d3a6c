"""Vendor sides of several shelves, each on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import httpx
import polars as pl
import pytest

from barhouse.api.compat.frames import FrameShelf
from barhouse.api.sample import sample
from barhouse.api.vendor_side import create, served
from barhouse.model import AssetClass, Timeframe

NOW = datetime(2013, 10, 12, tzinfo=UTC)


def read(file: Path) -> pl.DataFrame:
    """A file of the neutral layout as the shelf wants it."""
    return pl.read_csv(file, infer_schema=False).select(
        pl.from_epoch(pl.col("t_ms").cast(pl.Int64), "ms").dt.replace_time_zone("UTC").alias("time"),
        pl.col("open", "high", "low", "close", "volume").cast(pl.Float64),
    )


def on_date(bars: pl.DataFrame) -> pl.DataFrame:
    """Daily bars stamped at New York's midnight, at 00:00Z of their session instead."""
    day = pl.col("time").dt.convert_time_zone("America/New_York").dt.date()
    return bars.with_columns(day.cast(pl.Datetime("us")).dt.replace_time_zone("UTC").alias("time"))


def split(*events: tuple[date, float]) -> pl.DataFrame:
    """Splits as a shelf has them."""
    return pl.DataFrame(events, schema={"effective": pl.Date, "ratio": pl.Float64}, orient="row")


@pytest.fixture(scope="session")
def sample_url() -> Iterator[str]:
    """The sample that comes in a package."""
    with served(create(sample())) as url:
        yield url


@pytest.fixture(scope="session")
def minutes(shared_data: Path) -> pl.DataFrame:
    """SPY's minutes of six sessions, pre-market and post-market too."""
    return read(shared_data / "bars" / "lean_equity" / "SPY.1m.20131004-20131011.csv.gz")


@pytest.fixture(scope="session")
def hours(shared_data: Path) -> pl.DataFrame:
    """BTCUSDT's hours of five days."""
    return read(shared_data / "bars" / "lean_crypto" / "binance_BTCUSDT.1h.csv.gz")


@pytest.fixture(scope="session")
def spy_url(shared_data: Path, minutes: pl.DataFrame) -> Iterator[str]:
    """SPY by day and by minute, as on the evening of 2013-10-12."""
    days = on_date(read(shared_data / "bars" / "lean_equity" / "SPY.1d.csv.gz"))
    shelf = FrameShelf(
        {
            ("SPY", AssetClass.ETF, Timeframe.D1): days,
            ("SPY", AssetClass.ETF, Timeframe.M1): minutes,
        },
        now=lambda: NOW,
    )
    with served(create(shelf)) as url:
        yield url


@pytest.fixture(scope="session")
def bitcoin_url(hours: pl.DataFrame) -> Iterator[str]:
    """Bitcoin's hours, as Binance and as Yahoo spell it."""
    symbols = ("BTCUSDT", "BTC-USD")
    shelf = FrameShelf({(symbol, AssetClass.CRYPTO, Timeframe.H1): hours for symbol in symbols})
    with served(create(shelf)) as url:
        yield url


def asker(url: str) -> httpx.Client:
    """A client that bears a key."""
    return httpx.Client(base_url=url, headers={"Authorization": "Bearer secret"}, timeout=30)


@pytest.fixture
def ask(sample_url: str) -> Iterator[httpx.Client]:
    """A client of the sample."""
    with asker(sample_url) as client:
        yield client


@pytest.fixture
def ask_spy(spy_url: str) -> Iterator[httpx.Client]:
    """A client of SPY's shelf."""
    with asker(spy_url) as client:
        yield client


@pytest.fixture
def ask_bitcoin(bitcoin_url: str) -> Iterator[httpx.Client]:
    """A client of bitcoin's shelf."""
    with asker(bitcoin_url) as client:
        yield client
