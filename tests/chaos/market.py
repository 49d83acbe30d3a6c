"""Fifty series that the vendor side sells, seeded, up to this hour: the truth that a warehouse is held against."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path

import exchange_calendars
import pandas as pd
import polars as pl

from barhouse.model import AssetClass, Instrument, Series, Timeframe

Bar = tuple[datetime, float, float, float, float, float]
FIELDS = ("time", "open", "high", "low", "close", "volume")

STRANGER = Series(Instrument("NOPE"), Timeframe.D1)
"""Is tracked, though no vendor knows it."""

LATE = timedelta(days=20)
"""So far behind the others end the bars of some series, which is something to be alerted of."""


@dataclass(frozen=True, slots=True)
class Sold:
    """A series and its bars, oldest first."""

    series: Series
    bars: list[Bar]


@lru_cache(maxsize=1)
def sold() -> list[Sold]:
    """Days of thirty stocks, three of which end early, half hours of ten more, and hours of ten coins."""
    now = datetime.now(UTC)
    sessions = _sessions(now)
    half_hours = [at for opens, closes in sessions[-120:] for at in _every(opens, closes, minutes=30)]
    days = [opens.replace(hour=0, minute=0) for opens, _ in sessions]
    hours = _every(_midnight(now) - timedelta(days=90), now - timedelta(hours=1), minutes=60)
    return [
        *(_sold(_named("DAY", n), Timeframe.D1, days if n > 3 else _early(days, now)) for n in range(1, 31)),
        *(_sold(_named("HALF", n), Timeframe.M30, half_hours) for n in range(1, 11)),
        *(_sold(Instrument(_named("COIN", n).symbol, AssetClass.CRYPTO), Timeframe.H1, hours) for n in range(1, 11)),
    ]


def since(series: Series) -> datetime:
    """From when on a series is tracked: the day of its first bar."""
    first = next((each.bars[0][0] for each in sold() if each.series == series), datetime(2026, 1, 2, tzinfo=UTC))
    return _midnight(first)


def shelved(folder: Path) -> Path:
    """A folder with all of it, as `FrameShelf.folder` reads it."""
    for each in sold():
        instrument = each.series.instrument
        file = folder / instrument.asset_class / f"{instrument.symbol}.{each.series.timeframe}.parquet"
        file.parent.mkdir(parents=True, exist_ok=True)
        pl.DataFrame(each.bars, schema=list(FIELDS), orient="row").write_parquet(file)
    return folder


def _named(kind: str, number: int) -> Instrument:
    return Instrument(f"{kind}{chr(65 + number // 26)}{chr(65 + number % 26)}")


def _sold(instrument: Instrument, timeframe: Timeframe, times: Iterable[datetime]) -> Sold:
    lots = random.Random(f"{instrument.symbol} {timeframe}")
    return Sold(Series(instrument, timeframe), [_bar(at, lots) for at in times])


def _bar(at: datetime, lots: random.Random) -> Bar:
    """A quiet bar in sixteenths, which single precision and every vendor's roundings leave as they are."""
    low = 10_000 + lots.randrange(100)
    opens, closes, high = (low + lots.randrange(1, 50), low + lots.randrange(1, 50), low + 50)
    return at, opens / 16, high / 16, low / 16, closes / 16, float(10_000 + lots.randrange(500))


def _sessions(now: datetime) -> list[tuple[datetime, datetime]]:
    """Open and close of the sessions of New York that were over an hour ago."""
    year_ago = pd.Timestamp(_midnight(now) - timedelta(days=500)).tz_localize(None)
    schedule = exchange_calendars.get_calendar("XNYS", start=year_ago).schedule
    rows = schedule[schedule["close"] < pd.Timestamp(now - timedelta(hours=1))]
    return [
        (opens.to_pydatetime(), closes.to_pydatetime()) for opens, closes in zip(rows.open, rows.close, strict=True)
    ]


def _every(start: datetime, end: datetime, *, minutes: int) -> list[datetime]:
    step = timedelta(minutes=minutes)
    return [start + step * place for place in range((end - start) // step)]


def _early(days: Iterable[datetime], now: datetime) -> list[datetime]:
    return [day for day in days if day < now - LATE]


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)
