"""What Yahoo tells about the instrument beside its bars."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from barhouse.api.compat import Shelf
from barhouse.api.compat.windows import CLOSE, OPEN, ZONE, crypto, day_stamps
from barhouse.api.compat.yahoo.ask import RANGES, Ask
from barhouse.model import AssetClass

_KINDS = {AssetClass.STOCK: "EQUITY", AssetClass.ETF: "ETF", AssetClass.CRYPTO: "CRYPTOCURRENCY"}
_PERIODS = {"pre": (time(4), OPEN), "regular": (OPEN, CLOSE), "post": (CLOSE, time(20))}
_AROUND_THE_CLOCK = {
    "pre": (time(0), time(0)),
    "regular": (time(0), time(23, 59)),
    "post": (time(23, 59), time(23, 59)),
}


def meta(shelf: Shelf, ask: Ask, days: pl.DataFrame, bars: pl.DataFrame) -> dict[str, Any]:
    """The block `meta` of a chart of `bars`; `days` are all daily bars of the instrument."""
    now = shelf.now().astimezone(_zone(ask))
    return {
        **_listing(ask),
        **_quote(ask, days),
        **_zone_of(now, ask),
        **_before(ask, days),
        "priceHint": 2,
        "currentTradingPeriod": {name: period[0][0] for name, period in _periods(ask, [now.date()]).items()},
        **(_sessions(ask, bars) if ask.minutes else {}),
        "dataGranularity": ask.interval,
        "range": ask.range,
        "validRanges": RANGES,
    }


def _zone(ask: Ask) -> ZoneInfo:
    return ZoneInfo("UTC" if crypto(ask.of) else ZONE)


def _listing(ask: Ask) -> dict[str, Any]:
    home = ("CCC", "CCC") if crypto(ask.of) else ("NYQ", "NYSE")
    return {
        "currency": "USD",
        "symbol": ask.symbol,
        "exchangeName": home[0],
        "fullExchangeName": home[1],
        "instrumentType": _KINDS[ask.of.asset_class],
        "hasPrePostMarketData": not crypto(ask.of),
        "longName": ask.of.symbol,
        "shortName": ask.of.symbol,
    }


def _zone_of(now: datetime, ask: Ask) -> dict[str, Any]:
    return {
        "gmtoffset": _offset(now),
        "timezone": now.tzname(),
        "exchangeTimezoneName": str(_zone(ask)),
    }


def _offset(moment: datetime) -> int:
    return int((moment.utcoffset() or timedelta()).total_seconds())


def _quote(ask: Ask, days: pl.DataFrame) -> dict[str, Any]:
    """The first day and the state of the market, as the last daily bar tells them."""
    if days.is_empty():
        return {"firstTradeDate": None}
    opened, closed = (time(0), time(23, 59)) if crypto(ask.of) else (OPEN, CLOSE)
    last = days.row(-1, named=True)
    year = days.tail(252)
    return {
        "firstTradeDate": day_stamps([days["time"][0].date()], str(_zone(ask)), opened)[0],
        "regularMarketTime": day_stamps([last["time"].date()], str(_zone(ask)), closed)[0],
        "regularMarketPrice": last["close"],
        "fiftyTwoWeekHigh": year["high"].max(),
        "fiftyTwoWeekLow": year["low"].min(),
        "regularMarketDayHigh": last["high"],
        "regularMarketDayLow": last["low"],
        "regularMarketVolume": int(last["volume"] or 0),
    }


def _before(ask: Ask, days: pl.DataFrame) -> dict[str, Any]:
    """The close before the chart begins."""
    start = datetime.fromtimestamp(max(ask.start, 0), _zone(ask)).replace(tzinfo=ZoneInfo("UTC"))
    earlier = days.filter(pl.col("time") < pl.lit(start).dt.truncate("1d"))["close"]
    close = earlier[-1] if len(earlier) else None
    return {"chartPreviousClose": close, **({"previousClose": close, "scale": 3} if ask.minutes else {})}


def _periods(ask: Ask, dates: list[date]) -> dict[str, list[list[dict[str, Any]]]]:
    """The hours of these days, as rows of one: pre-market, regular, post-market."""
    zone, hours = _zone(ask), _AROUND_THE_CLOCK if crypto(ask.of) else _PERIODS
    return {name: [[_period(day, start, end, zone)] for day in dates] for name, (start, end) in hours.items()}


def _period(day: date, start: time, end: time, zone: ZoneInfo) -> dict[str, Any]:
    opens, closes = (datetime.combine(day, at, zone) for at in (start, end))
    return {
        "timezone": opens.tzname(),
        "start": int(opens.timestamp()),
        "end": int(closes.timestamp()),
        "gmtoffset": _offset(opens),
    }


def _sessions(ask: Ask, bars: pl.DataFrame) -> dict[str, Any]:
    """The hours of the days that the chart has bars of."""
    dates = bars.select(pl.col("time").dt.convert_time_zone(str(_zone(ask))).dt.date().unique().sort())
    periods = _periods(ask, dates.to_series().to_list())
    return {"tradingPeriods": periods if ask.extended else periods["regular"]}
