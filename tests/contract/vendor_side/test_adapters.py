"""Our own adapters read from the vendor side what was traded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

import polars as pl
import pytest

from barhouse.api.sample import sample
from barhouse.calendar import Calendar
from barhouse.calendar.exchanges import refreshed
from barhouse.model import AssetClass, Instrument, Series, Span, Timeframe
from barhouse.sources.base import Fetched, Source
from barhouse.sources.binance import Binance
from barhouse.sources.polygon import Polygon
from barhouse.sources.yahoo import Yahoo

FIVE = ["time", "open", "high", "low", "close", "volume"]
SPAN = Span(datetime(2000, 1, 1, tzinfo=UTC), datetime(2013, 12, 31, tzinfo=UTC))


@pytest.fixture(scope="module")
def new_york() -> Calendar:
    """New York's sessions."""
    return refreshed("XNYS")


async def _fetched(source: Source, series: Series, span: Span, calendar: Calendar) -> Fetched:
    try:
        return await source.bars(series, span, calendar)
    finally:
        await source.close()


@pytest.mark.parametrize("symbol", ["AAPL", "FB", "GOOG", "IBM", "MSFT"])
@pytest.mark.parametrize("source", [lambda url: Polygon(url, "secret"), Yahoo], ids=["polygon", "yahoo"])
def test_days_come_as_traded_whatever_was_split_later(
    sample_url: str, new_york: Calendar, source: Callable[[str], Source], symbol: str
) -> None:
    series = Series(Instrument(symbol), Timeframe.D1)
    fetched = asyncio.run(_fetched(source(sample_url), series, SPAN, new_york))

    traded = sample().bars(symbol, AssetClass.STOCK, Timeframe.D1, SPAN.start, SPAN.end)
    assert traded is not None
    assert fetched.rejects.is_empty()
    assert fetched.bars.select(FIVE).sort("time").equals(traded.select(FIVE))


def test_hours_of_bitcoin_come_as_traded(bitcoin_url: str, hours: pl.DataFrame) -> None:
    series = Series(Instrument("BTC", AssetClass.CRYPTO), Timeframe.H1)
    span = Span(hours["time"][0], hours["time"][-1])
    fetched = asyncio.run(_fetched(Binance(bitcoin_url), series, span, Calendar.always_open()))

    traded = hours.head(-1).with_columns(pl.col("volume").round(8))
    assert fetched.bars.select(FIVE).equals(traded.select(FIVE).cast(fetched.bars.select(FIVE).schema))
