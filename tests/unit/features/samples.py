"""Real bars, and short made-up ones, as `features.compute` takes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

import bokeh_sampledata.stocks
import numpy as np
import polars as pl

from barhouse import features
from barhouse.calendar import Calendar, refreshed
from barhouse.model import INSTANT, MEASURES, PRICES, AssetClass, Span, Timeframe

SPLITS = {"instrument": pl.Int32, "effective": pl.Date, "ratio": pl.Float64}

new_york = cache(lambda: refreshed("XNYS"))
always = Calendar.always_open()


def stock(symbol: str, key: int = 1) -> pl.DataFrame:
    """Daily bars of 2000 to 2013 as traded, from the bokeh sample data."""
    table: Mapping[str, Sequence[Any]] = getattr(bokeh_sampledata.stocks, symbol)
    columns = {name: table[name] for name in (*PRICES, "volume")}
    times = pl.Series(table["date"]).str.to_date().cast(INSTANT)
    return measured(pl.DataFrame(columns).insert_column(0, times.alias("time")), key)


def measured(bars: pl.DataFrame, key: int = 1, source: str = "polygon") -> pl.DataFrame:
    """`bars` with all columns that they have not, unknown; sorted."""
    absent = [pl.lit(None, dtype).alias(name) for name, dtype in MEASURES.items() if name not in bars.columns]
    origin = [] if "source" in bars.columns else [pl.lit(source).alias("source")]
    whole = (
        bars.with_columns(*absent, *origin)
        .cast(dict.fromkeys(MEASURES, pl.Float64))
        .with_columns(pl.col("time").cast(INSTANT))
    )
    return whole.insert_column(0, pl.repeat(key, bars.height, dtype=pl.Int32, eager=True).alias("instrument")).sort(
        "time"
    )


def slots(timeframe: Timeframe, start: str, count: int, calendar: Calendar = always) -> pl.Series:
    """The first `count` slots since `start`."""
    since = datetime.fromisoformat(start).replace(tzinfo=UTC)
    span = Span(since, since.replace(year=since.year + 9))
    return calendar.expected(timeframe, span)["time"].head(count)


def walk(times: pl.Series, seed: int = 0, key: int = 1, **columns: Any) -> pl.DataFrame:
    """Bars at `times` whose prices walk at random; `columns` as told."""
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, len(times))))
    reach = close * rng.uniform(0.001, 0.02, (2, len(times)))
    prices = {"open": close, "high": close + reach[0], "low": close - reach[1], "close": close}
    made = {"time": times, **prices, "volume": rng.integers(1, 10**6, len(times)), **columns}
    return measured(pl.DataFrame(made), key)


def crypto(timeframe: Timeframe, count: int, seed: int = 0, start: str = "2024-01-01", **columns: Any) -> pl.DataFrame:
    """So many bars of a market that never closes."""
    return walk(slots(timeframe, start, count), seed, **columns)


def splits(*events: tuple[int, Any, float]) -> pl.DataFrame:
    """Splits as (instrument, effective, ratio)."""
    return pl.DataFrame(events, SPLITS, orient="row")


def stretches(*read: tuple[int, datetime, datetime]) -> pl.DataFrame:
    """What was read, as (instrument, start, end)."""
    frame = pl.DataFrame(read, ["instrument", "start", "end"], orient="row")
    return frame.select(pl.col("instrument").cast(pl.Int32), pl.col("start", "end").cast(INSTANT))


def computed(
    bars: pl.DataFrame,
    timeframe: Timeframe = Timeframe.D1,
    asset_class: AssetClass = AssetClass.STOCK,
    events: pl.DataFrame | None = None,
    read: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """The features of `bars`, of stocks by New York's calendar, of crypto by the clock."""
    return features.compute(
        bars,
        asset_class=asset_class,
        timeframe=timeframe,
        calendar=always if asset_class is AssetClass.CRYPTO else new_york(),
        splits=splits() if events is None else events,
        read=read,
    )


def of_crypto(bars: pl.DataFrame, timeframe: Timeframe, read: pl.DataFrame | None = None) -> pl.DataFrame:
    """The features of crypto `bars`."""
    return computed(bars, timeframe, AssetClass.CRYPTO, read=read)
