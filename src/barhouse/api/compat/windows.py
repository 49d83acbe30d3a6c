"""From the shelf's canonical bars to a vendor's: adjusted for splits, and in windows of the vendor's own."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta

import polars as pl

from barhouse.api.compat import Shelf
from barhouse.model import INSTANT, MEASURES, AssetClass, Instrument, Timeframe

ZONE = "America/New_York"
OPEN, CLOSE = time(9, 30), time(16)
EVER = datetime(1900, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)

_CLOCK = [Timeframe.M30, Timeframe.M15, Timeframe.M5, Timeframe.M1]


def named(shelf: Shelf, symbol: str) -> Instrument | None:
    """The stock or ETF of that symbol."""
    return next((i for i in shelf.instruments() if i.symbol == symbol and not crypto(i)), None)


def paired(shelf: Shelf, pair: str, quote: str) -> Instrument | None:
    """The coin that is traded as `pair`; a bare coin on the shelf counts as quoted in `quote`."""
    return next((i for i in shelf.instruments() if crypto(i) and pair in spellings(i, quote)), None)


def crypto(instrument: Instrument) -> bool:
    """Whether it trades around the clock."""
    return instrument.asset_class is AssetClass.CRYPTO


def spellings(instrument: Instrument, quote: str) -> tuple[str, str]:
    """A coin's pair as the shelf writes it, and as it is when its symbol names no quote currency."""
    squeezed = instrument.symbol.replace("-", "").replace("/", "")
    return squeezed, squeezed + quote


def held(shelf: Shelf, of: Instrument, timeframe: Timeframe, start: datetime, end: datetime) -> pl.DataFrame:
    """What the shelf has of an instrument that it listed, in one shape."""
    bars = shelf.bars(of.symbol, of.asset_class, timeframe, start, end)
    return _uniform(pl.DataFrame() if bars is None else bars)


def clocked(shelf: Shelf, of: Instrument, minutes: int, start: datetime, end: datetime) -> tuple[pl.DataFrame, int]:
    """Bars that windows of so many minutes can be made of, and how many minutes each has.

    The coarsest that fits is taken; hour bars only where nothing finer is there.
    """
    steps = [step for step in _CLOCK if minutes % step.minutes == 0]
    for step in [*steps, *([Timeframe.H1] if minutes % 60 == 0 else [])]:
        bars = held(shelf, of, step, start, end)
        if not bars.is_empty():
            return bars, step.minutes
    return bars, 1


def _uniform(bars: pl.DataFrame) -> pl.DataFrame:
    """The same bars with every measure, absent ones NULL."""
    if "time" not in bars.columns:
        return pl.DataFrame(schema={"time": INSTANT, **MEASURES})
    absent = (pl.lit(None, pl.Float64).alias(name) for name in MEASURES if name not in bars.columns)
    return bars.select("time", *(name for name in MEASURES if name in bars.columns), *absent)


def adjusted(bars: pl.DataFrame, splits: pl.DataFrame, on: pl.Expr) -> pl.DataFrame:
    """Bars in today's shares: prices divided and volumes multiplied by every split effective after the day `on`."""
    if splits.is_empty():
        return bars
    factor = later(splits, on)
    return bars.with_columns(pl.col("open", "high", "low", "close", "vwap") / factor, pl.col("volume") * factor)


def later(splits: pl.DataFrame, on: pl.Expr) -> pl.Expr:
    """The product of the ratios of all splits effective after the day `on`."""
    factor = pl.lit(1.0)
    for effective, ratio in splits.select("effective", "ratio").iter_rows():
        factor = factor * pl.when(on < effective).then(ratio).otherwise(1.0)
    return factor


def windowed(bars: pl.DataFrame, window: pl.Expr, *also: pl.Expr) -> pl.DataFrame:
    """One bar for each value of `window`, which becomes its `time`."""
    volume = pl.col("volume")
    weighted = (pl.col("vwap") * volume).sum() / volume.filter(pl.col("vwap").is_not_null()).sum()
    sums = ["trades", "quote_volume", "taker_buy_volume", "taker_sell_volume"]
    return bars.group_by(window.alias("time"), maintain_order=True).agg(
        pl.col("open").first(),
        pl.col("high").max(),
        pl.col("low").min(),
        pl.col("close").last(),
        volume.sum(),
        pl.when(pl.col("vwap").is_not_null().any()).then(weighted).alias("vwap"),
        *(pl.when(pl.col(n).is_not_null().any()).then(pl.col(n).sum()).alias(n) for n in sums),
        *also,
    )


def session_day(day: pl.Expr, at: time = time(0), zone: str = ZONE) -> pl.Expr:
    """The instant of a local time on the canonical day of a daily bar."""
    offset = timedelta(hours=at.hour, minutes=at.minute)
    return (day.dt.replace_time_zone(None) + offset).dt.replace_time_zone(zone)


def regular(moment: pl.Expr) -> pl.Expr:
    """Whether an instant lies in New York's regular hours, half days aside."""
    return moment.dt.convert_time_zone(ZONE).dt.time().is_between(OPEN, CLOSE, closed="left")


def epoch(moment: pl.Expr, unit: str = "ms") -> pl.Expr:
    """Instants as vendors write them."""
    return moment.dt.epoch("ms") if unit == "ms" else moment.dt.epoch("s")


def instant(milliseconds: float) -> datetime:
    """The instant that many milliseconds after 1970, kept inside of what a date can be."""
    first, last = (moment.timestamp() * 1000 for moment in EVER)
    return datetime.fromtimestamp(min(max(milliseconds, first), last) / 1000, UTC)


def day_stamps(days: Iterable[date], zone: str, at: time) -> list[int]:
    """Epoch seconds of a local time on these days."""
    series = pl.Series("day", list(days), pl.Date).cast(pl.Datetime("us"))
    return pl.DataFrame(series).select(epoch(session_day(pl.col("day"), at, zone), "s")).to_series().to_list()
