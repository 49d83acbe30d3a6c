"""Real series, and the faults that are put into copies of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import polars as pl

from barhouse.api.sample import sample
from barhouse.calendar import Calendar, refreshed
from barhouse.model import ALWAYS_OPEN, INSTANT, NEW_YORK, PRICES, AssetClass, Timeframe

SHARED = Path(__file__).parents[2] / "shared" / "data" / "bars"
"""More real series that lie beside the repository on some machines."""

SPLITS = pl.Schema({"effective": pl.Date(), "ratio": pl.Float64()})

EVER = datetime(1990, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)

RATIOS = (2.0, 3.0, 4.0, 5.0, 7.0, 10.0, 20.0, 1.5, 0.25, 0.1)
"""Splits that companies have made."""

SIZES = (0.01, 0.05, 0.1, 0.2, 0.5, math.inf)
"""Bounds of the sizes by which recall is told."""


@dataclass(frozen=True)
class Clean:
    """A real series with its corporate actions."""

    name: str
    asset_class: AssetClass
    timeframe: Timeframe
    calendar: Calendar
    bars: pl.DataFrame
    splits: pl.DataFrame


@dataclass(frozen=True)
class Seeded:
    """A copy with faults of one kind in the bars of these times, each with its size (a share of the price)."""

    series: Clean
    bars: pl.DataFrame
    faults: pl.DataFrame


def clean_series() -> Iterator[Clean]:
    """The packaged daily stocks, and what lies beside the repository."""
    new_york, packaged = refreshed(NEW_YORK), sample()
    for symbol in ("AAPL", "FB", "GOOG", "IBM", "MSFT"):
        bars = packaged.bars(symbol, AssetClass.STOCK, Timeframe.D1, *EVER)
        assert bars is not None
        splits = packaged.splits([symbol]).select(pl.col(name).cast(kind) for name, kind in SPLITS.items())
        yield _clean(symbol, bars, splits, Timeframe.D1, new_york)
    nothing = pl.DataFrame(schema=SPLITS)
    for path in sorted(SHARED.glob("stocknet/*.1d.csv.gz")):
        yield _clean(path.name[:-10], _recorded(path), nothing, Timeframe.D1, new_york)
    for path in SHARED.glob("lean_equity/SPY.1h.csv.gz"):
        yield _clean("SPY", _recorded(path), nothing, Timeframe.H1, new_york)
    for path in SHARED.glob("gym_trading_env/bitstamp_BTCUSD.1h.csv.gz"):
        yield _clean("BTCUSD", _recorded(path), nothing, Timeframe.H1, Calendar.always_open())


def _recorded(path: Path) -> pl.DataFrame:
    rows = pl.read_csv(path, infer_schema_length=None).drop_nulls("close")
    time = pl.from_epoch("t_ms", time_unit="ms").cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    return rows.select(time.alias("time"), pl.col(*PRICES, "volume").cast(pl.Float64))


def _clean(name: str, bars: pl.DataFrame, splits: pl.DataFrame, timeframe: Timeframe, calendar: Calendar) -> Clean:
    """The settled bars as the warehouse holds them."""
    kind = AssetClass.CRYPTO if calendar.name == ALWAYS_OPEN else AssetClass.STOCK
    slots = bars.with_columns(time=calendar.canonical(bars["time"].cast(INSTANT), timeframe)).sort("time")
    placed = calendar.located(slots, timeframe)
    stored = slots.with_columns(placed["extended"]).filter(placed["on_grid"]).unique("time").sort("time")
    as_written = {"forming": False, "validated": True, "quality_score": 1.0, "fetch_id": 1}
    return Clean(name, kind, timeframe, calendar, stored.with_columns(**as_written), splits)


Fault = Callable[[Clean, list[int], Random], Seeded]

faults: dict[str, Fault] = {}


def fault(put: Fault) -> Fault:
    """Enrol a kind of fault under the name of its function."""
    faults[put.__name__.lstrip("_")] = put
    return put


@fault
def missing_bar(series: Clean, rows: list[int], _: Random) -> Seeded:
    """Bars are not there; the first and the last one of a series end it, and are not missed."""
    rows = [row for row in rows if 0 < row < series.bars.height - 1]
    gone = pl.int_range(pl.len()).is_in(rows)
    return Seeded(series, series.bars.filter(~gone), _told(series, rows, [1.0] * len(rows)))


@fault
def duplicate(series: Clean, rows: list[int], _: Random) -> Seeded:
    """The same slot holds a second row under another stamp, a little later or an hour off midnight."""
    later = timedelta(hours=5) if not series.timeframe.intraday else series.timeframe.duration / 2
    again = series.bars[rows].with_columns(pl.col("time") + later, quality_score=0.9)
    return Seeded(series, pl.concat([series.bars, again]).sort("time"), _told(series, rows, [1.0] * len(rows)))


@fault
def _100x(series: Clean, rows: list[int], _: Random) -> Seeded:
    """All prices of a bar are in pence."""
    return _scaled(series, rows, [100.0] * len(rows), PRICES)


@fault
def _0_01x(series: Clean, rows: list[int], _: Random) -> Seeded:
    """All prices of a bar are in hundreds."""
    return _scaled(series, rows, [0.01] * len(rows), PRICES)


@fault
def bad_low(series: Clean, rows: list[int], random: Random) -> Seeded:
    """The low is off, by one to 99 per cent."""
    return _scaled(series, rows, [1 - _size(random, 0.99) for _ in rows], ("low",))


@fault
def bad_close(series: Clean, rows: list[int], random: Random) -> Seeded:
    """The close is off to either side, and the high or low goes along."""
    factors = [1 + random.choice((-1, 1)) * _size(random, 0.9) for _ in rows]
    return _scaled(series, rows, factors, ("close",))


@fault
def missed_split(series: Clean, rows: list[int], random: Random) -> Seeded:
    """From one bar on prices are those of other shares, and so is the volume; the split is not stored."""
    row, ratio = max(rows[0], 1), random.choice(RATIOS)
    before = pl.int_range(pl.len()) < row
    bars = series.bars.with_columns(
        *(pl.when(before).then(pl.col(name) * ratio).otherwise(name).alias(name) for name in PRICES),
        volume=pl.when(before).then(pl.col("volume") / ratio).otherwise("volume"),
    )
    return Seeded(series, bars, _told(series, [row], [abs(1 / ratio - 1)]))


@fault
def dst_shift(series: Clean, rows: list[int], random: Random) -> Seeded:
    """All bars of a session stand an hour too late or too early, as after a change of the clock that was not made."""
    sessions = series.calendar.located(series.bars, series.timeframe)["session"]
    days = sorted({sessions[row] for row in rows})
    hours = pl.Series([timedelta(hours=random.choice((-1, 1))) for _ in days])
    off = pl.DataFrame({"session": days, "off": hours})
    moved = series.bars.with_columns(session=sessions).join(off, on="session", how="left", maintain_order="left")
    bars = moved.with_columns(time=pl.col("time") + pl.col("off").fill_null(timedelta())).select(series.bars.columns)
    bars = bars.with_columns(series.calendar.located(bars, series.timeframe)["extended"])
    starts = moved.group_by("session").agg(pl.min("time")).join(off, on="session")
    return Seeded(series, bars.sort("time"), starts.select("time", size=pl.lit(1.0)))


@fault
def stale_repeat(series: Clean, rows: list[int], _: Random) -> Seeded:
    """A bar says once more what the bar before said."""
    rows = [row for row in rows if row > 0 and series.bars["volume"][row - 1] > 0]
    again = pl.int_range(pl.len()).is_in(rows)
    five = [*PRICES, "volume"]
    bars = series.bars.with_columns(
        pl.when(again).then(pl.col(name).shift()).otherwise(name).alias(name) for name in five
    )
    return Seeded(series, bars, _told(series, rows, [1.0] * len(rows)))


def _size(random: Random, most: float) -> float:
    """A size between a hundredth and `most`, small ones as often as large ones."""
    return math.exp(random.uniform(math.log(0.01), math.log(most)))


def _scaled(series: Clean, rows: list[int], factors: list[float], fields: Iterable[str]) -> Seeded:
    """Some fields of some bars times a factor; the high and the low stay the extremes."""
    factor = pl.Series([1.0] * series.bars.height).scatter(rows, factors)
    bars = series.bars.with_columns(pl.col(name) * factor for name in fields)
    sound = bars.with_columns(high=pl.max_horizontal(*PRICES), low=pl.min_horizontal(*PRICES))
    return Seeded(series, sound, _told(series, rows, [abs(each - 1) for each in factors]))


def _told(series: Clean, rows: list[int], sizes: list[float]) -> pl.DataFrame:
    return series.bars[rows].select("time", size=pl.Series(sizes, dtype=pl.Float64))
