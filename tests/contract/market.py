"""A little market, minute by minute: what vendors aggregate their own way, and what the bars ought to be, by pencil."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import polars as pl

from barhouse.calendar import Calendar
from barhouse.model import INSTANT, AssetClass, Instrument, Span, Timeframe

NEW_YORK = ZoneInfo("America/New_York")
MONDAY = date(2024, 3, 4)
"""The first day; clocks go forward on the Sunday in the middle of the two weeks."""
DAYS = [MONDAY + timedelta(days=day) for day in range(12) if day % 7 < 5]
SPAN = Span(datetime(2024, 3, 4, tzinfo=UTC), datetime(2024, 3, 18, tzinfo=UTC))
NOW = datetime(2024, 3, 20, tzinfo=UTC)
STOCK = Instrument("AAPL", AssetClass.STOCK)
COIN = Instrument("BTC", AssetClass.CRYPTO)


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar before any vendor wrote it down; a test may put anything into its fields."""

    time: object
    open: object
    high: object
    low: object
    close: object
    volume: object
    minutes: int = 1

    def spoilt(self, **fields: object) -> Bar:
        """The same bar with other things in its fields."""
        return replace(self, **fields)  # type: ignore[arg-type]


def local(day: date, hour: int, minute: int = 0) -> datetime:
    """A moment on New York's clock, in UTC."""
    return datetime.combine(day, time(hour, minute), NEW_YORK).astimezone(UTC)


@lru_cache
def minutes(instrument: Instrument) -> list[Bar]:
    """All that traded: a coin at any minute, a share from 8 to 17 o'clock, extended hours included."""
    if instrument.asset_class is AssetClass.CRYPTO:
        return [_minute(SPAN.start + timedelta(minutes=at), at) for at in range(14 * 1440)]
    return [_minute(local(day, 8) + timedelta(minutes=at), at * 31 + day.day) for day in DAYS for at in range(540)]


def _minute(begins: datetime, at: int) -> Bar:
    price = 100 + at * 7919 % 1000 / 100
    return Bar(begins, price, price + 0.5, price - 0.25, price + 0.25, float(1 + at % 5))


def together(bars: Iterable[Bar], slot: Callable[[datetime], datetime | None]) -> list[Bar]:
    """One bar a slot, oldest first; what has no slot is left out."""
    slots: dict[datetime, list[Bar]] = {}
    for bar in bars:
        assert isinstance(bar.time, datetime)
        if (at := slot(bar.time)) is not None:
            slots.setdefault(at, []).append(bar)
    return [_one(at, held) for at, held in slots.items()]


def _one(at: datetime, held: list[Bar]) -> Bar:
    high, low = max(bar.high for bar in held), min(bar.low for bar in held)  # type: ignore[type-var]
    volume = sum(bar.volume for bar in held)  # type: ignore[misc]
    return Bar(at, held[0].open, high, low, held[-1].close, volume, len(held))


def clock(width: timedelta) -> Callable[[datetime], datetime]:
    """The slot of a moment by the UTC clock."""
    start = datetime(2024, 1, 1, tzinfo=UTC)  # a Monday
    return lambda moment: moment - (moment - start) % width


def session(moment: datetime) -> tuple[datetime, datetime]:
    """Open and close of the session on the day of a moment in New York."""
    day = moment.astimezone(NEW_YORK).date()
    return local(day, 9, 30), local(day, 16)


def in_session(moment: datetime) -> bool:
    """Whether the exchange is open at a moment of a weekday."""
    opens, closes = session(moment)
    return opens <= moment < closes


def canonical(timeframe: Timeframe) -> Callable[[datetime], datetime | None]:
    """The slot in which a share's regular minute is kept; None for extended hours."""

    def slot(moment: datetime) -> datetime | None:
        opens, _ = session(moment)
        day = datetime.combine(moment.astimezone(NEW_YORK).date(), time(), UTC)
        if not in_session(moment):
            return None
        match timeframe:
            case Timeframe.D1:
                return day
            case Timeframe.W1:
                return day - timedelta(days=day.weekday())
            case Timeframe.H4:
                return moment - (moment - opens) % timedelta(hours=4)
            case _:
                return clock(timeframe.duration)(moment)

    return slot


def expected(instrument: Instrument, timeframe: Timeframe) -> list[Bar]:
    """The bars that ought to be kept of regular hours."""
    crypto = instrument.asset_class is AssetClass.CRYPTO
    return together(minutes(instrument), clock(timeframe.duration) if crypto else canonical(timeframe))


@lru_cache
def calendar(instrument: Instrument) -> Calendar:
    """The calendar of the two weeks."""
    if instrument.asset_class is AssetClass.CRYPTO:
        return Calendar.always_open()
    opens, closes = ([local(day, *at) for day in DAYS] for at in ((9, 30), (16, 0)))
    sessions = pl.DataFrame(
        {"date": DAYS, "open": opens, "close": closes},
        schema={"date": pl.Date(), "open": INSTANT, "close": INSTANT},
    )
    return Calendar("XNYS", "America/New_York", sessions)
