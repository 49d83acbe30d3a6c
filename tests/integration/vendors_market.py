"""A small market that the vendor side sells, and what each series of it ought to hold, by a few lines of Python."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import groupby
from zoneinfo import ZoneInfo

import polars as pl

from barhouse.api.compat.frames import SPLITS, FrameShelf
from barhouse.api.sample import sample
from barhouse.model import AssetClass, Instrument, Series, Span, Timeframe

NEW_YORK = ZoneInfo("America/New_York")
NOW = datetime(2024, 3, 28, tzinfo=UTC)
"""When it is asked: all of it is settled, and near enough for Yahoo."""

FIELDS = ("time", "open", "high", "low", "close", "volume")
Bar = tuple[datetime, float, float, float, float, float]

DAYS = Span(datetime(2004, 12, 1, tzinfo=UTC), datetime(2005, 5, 1, tzinfo=UTC))
SESSIONS = [date(2024, 3, day) for day in range(1, 19) if date(2024, 3, day).isoweekday() < 6]
SPLIT = date(2024, 3, 13)
"""Two for one, in the week after the clocks went forward."""
HOURS = Span(datetime(2024, 3, 1, tzinfo=UTC), datetime(2024, 3, 19, tzinfo=UTC))
COINS = Span(datetime(2023, 12, 1, tzinfo=UTC), datetime(2024, 3, 11, tzinfo=UTC))


@dataclass(frozen=True, slots=True)
class Sold:
    """A series, the span in which the vendors have it, and its bars."""

    series: Series
    span: Span
    bars: list[Bar]


def bar(at: datetime, number: int, shares: int = 1) -> Bar:
    """The bar of a moment; with half as many shares everything costs twice as much."""
    cents = (5_000 + number * 7919 % 1000) * 2 // shares
    prices = (cents / 100, (cents + 100) / 100, (cents - 100) / 100, (cents + 50) / 100)
    return at, *prices, float(100 * shares + 2 * (number % 50))


def quarters() -> Iterator[Bar]:
    """The quarters of a stock's sessions, as traded."""
    for day in SESSIONS:
        opens = datetime.combine(day, time(9, 30), NEW_YORK).astimezone(UTC)
        for place in range(26):
            yield bar(opens + timedelta(minutes=15 * place), day.day * 26 + place, 1 if day < SPLIT else 2)


def together(bars: Iterable[Bar], width: str) -> list[Bar]:
    """One bar an hour or a day of New York's clock."""

    def slot(of: Bar) -> datetime:
        local = of[0].astimezone(NEW_YORK)
        if width == "1d":
            return datetime.combine(local.date(), time(0), UTC)
        return local.replace(minute=0).astimezone(UTC)

    found = ((at, list(held)) for at, held in groupby(bars, slot))
    return [
        (at, held[0][1], max(b[2] for b in held), min(b[3] for b in held), held[-1][4], sum(b[5] for b in held))
        for at, held in found
    ]


def frame(bars: Iterable[Bar]) -> pl.DataFrame:
    """Bars as a shelf has them."""
    return pl.DataFrame(list(bars), schema=list(FIELDS), orient="row")


@lru_cache
def sold() -> list[Sold]:
    """Days of a real stock across a split, the hours of a coin, and hours of another stock across a split."""
    days = sample().bars("AAPL", AssetClass.STOCK, Timeframe.D1, DAYS.start, DAYS.end)
    assert days is not None
    coins = [bar(COINS.start + timedelta(hours=place), place) for place in range(COINS.duration // timedelta(hours=1))]
    coin = Series(Instrument("BTC", AssetClass.CRYPTO), Timeframe.H1)
    return [
        Sold(Series(Instrument("AAPL"), Timeframe.D1), DAYS, days.select(FIELDS).rows()),
        Sold(coin, COINS, coins),
        Sold(Series(Instrument("IBM"), Timeframe.H1), HOURS, together(quarters(), "1h")),
    ]


def shelf() -> FrameShelf:
    """What the vendors sell."""
    days, coins, _ = sold()
    splits = {"AAPL": [(date(2005, 2, 28), 2.0)], "IBM": [(SPLIT, 2.0)]}
    return FrameShelf(
        {
            ("AAPL", AssetClass.STOCK, Timeframe.D1): frame(days.bars),
            ("IBM", AssetClass.STOCK, Timeframe.M15): frame(quarters()),
            ("IBM", AssetClass.STOCK, Timeframe.D1): frame(together(quarters(), "1d")),
            ("BTC", AssetClass.CRYPTO, Timeframe.H1): frame(coins.bars),
        },
        splits={symbol: pl.DataFrame(told, schema=SPLITS, orient="row") for symbol, told in splits.items()},
        now=lambda: NOW,
    )
