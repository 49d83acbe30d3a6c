"""From the shelf's canonical bars to a vendor's: adjusted for splits, and in windows of the vendor's own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import polars as pl

from barhouse.api.compat import Shelf
from barhouse.model import INSTANT, MEASURES, AssetClass, Instrument, Timeframe

ZONE = "America/New_York"
OPEN, CLOSE = time(9, 30), time(16)
EVER = datetime(1900, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)

_CLOCK = [Timeframe.M30, Timeframe.M15, Timeframe.M5, Timeframe.M1]


class NotKept(Exception):
    """The shelf cannot know of such bars: an empty answer would tell that nothing was traded."""

    def __init__(self, of: Instrument, steps: Sequence[Timeframe]) -> None:
        wanted = " or ".join(steps)
        super().__init__(
            f"No {wanted} bars of {of.symbol} were read for that time; barhouse track {of.symbol} brings them"
        )


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


@dataclass(frozen=True, slots=True)
class Stretch:
    """From when to when bars are wanted, and no more of them than last so many `minutes`, from one end."""

    start: datetime
    end: datetime
    minutes: int | None = None
    newest: bool = False

    def most(self, step: Timeframe) -> int | None:
        """How many bars of a timeframe these are at most, as a shelf is told."""
        if self.minutes is None:
            return None
        count = -(-self.minutes // step.minutes)
        return -count if self.newest else count


def held(shelf: Shelf, of: Instrument, steps: Sequence[Timeframe], stretch: Stretch) -> tuple[pl.DataFrame, Timeframe]:
    """The bars of the first of some timeframes that has any, in one shape; NotKept if the shelf knows of none."""
    known = None
    for step in steps:
        bars = shelf.bars(of.symbol, of.asset_class, step, stretch.start, stretch.end, stretch.most(step))
        if bars is None:
            continue
        known = uniform(bars), step
        if not bars.is_empty():
            break
    if known is None:
        raise NotKept(of, steps)
    return known


def clocked(shelf: Shelf, of: Instrument, minutes: int, stretch: Stretch) -> tuple[pl.DataFrame, int]:
    """Bars that windows of so many minutes can be made of, and how many minutes each has.

    The coarsest that fits is taken; hour bars only where nothing finer is there.
    """
    steps = [step for step in _CLOCK if minutes % step.minutes == 0]
    bars, step = held(shelf, of, [*steps, *([Timeframe.H1] if minutes % 60 == 0 else [])], stretch)
    return bars, step.minutes


def effective(shelf: Shelf, of: Instrument) -> pl.DataFrame:
    """The splits of a stock that prices carry by now, without those that are announced."""
    return past(shelf, shelf.splits([of.symbol]))


def past(shelf: Shelf, actions: pl.DataFrame) -> pl.DataFrame:
    """What has taken effect by now in New York."""
    return actions.filter(pl.col("effective") <= shelf.now().astimezone(ZoneInfo(ZONE)).date())


def uniform(bars: pl.DataFrame) -> pl.DataFrame:
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
    ordered = splits.sort("effective")
    products = pl.concat([ordered["ratio"].cum_prod(reverse=True), pl.Series("ratio", [1.0])])
    return pl.lit(products).gather(pl.lit(ordered["effective"]).search_sorted(on, side="right"))


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
