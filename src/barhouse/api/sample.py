"""Real bars that come in a package: five stocks, daily, as traded, from the dot-com days to 2013."""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from importlib.resources import files

import polars as pl

from barhouse.api.compat.frames import DIVIDENDS, SPLITS, FrameShelf
from barhouse.errors import SettingsError
from barhouse.model import INSTANT, AssetClass, Timeframe

_SPLITS = {"AAPL": [date(2000, 6, 21), date(2005, 2, 28)], "MSFT": [date(2003, 2, 18)]}


@lru_cache(maxsize=1)
def sample() -> FrameShelf:
    """AAPL, FB, GOOG, IBM and MSFT with their splits and dividends."""
    rows = _rows()
    parts = {str(symbol): part for (symbol,), part in rows.partition_by("Ticker", as_dict=True).items()}
    return FrameShelf(
        {(symbol, AssetClass.STOCK, Timeframe.D1): _bars(part) for symbol, part in parts.items()},
        splits={symbol: _splits(days) for symbol, days in _SPLITS.items()},
        dividends={symbol: _dividends(part) for symbol, part in parts.items()},
    )


def _rows() -> pl.DataFrame:
    """The package's table; its own module would make a list of every column."""
    try:
        packed = files("bokeh_sampledata") / "_data" / "stocks.csv.gz"
    except ModuleNotFoundError:
        raise SettingsError("The sample needs a package more: pip install 'barhouse[demo]'") from None
    return pl.read_csv(packed.read_bytes(), try_parse_dates=True)


def _bars(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(
        pl.col("Date").cast(pl.Datetime("us")).dt.replace_time_zone("UTC").cast(INSTANT).alias("time"),
        *(pl.col(name).cast(pl.Float64).alias(name.lower()) for name in ("Open", "High", "Low", "Close", "Volume")),
    )


def _splits(days: list[date]) -> pl.DataFrame:
    """Two for one, each."""
    return pl.DataFrame({"effective": days, "ratio": [2.0] * len(days)}, schema=SPLITS)


def _dividends(rows: pl.DataFrame) -> pl.DataFrame:
    """What the adjusted close of the set says: on an ex-day its factor grows by amount / close.

    The set's prices have four decimals, so steps below 1e-5 are rounding; a doubling is a split.
    """
    factor = pl.col("Adj Close") / pl.col("Close")
    step = factor / factor.shift(1) - 1
    step = pl.when(step > 0.9).then((step + 1) / 2 - 1).otherwise(step)
    paid = rows.select(pl.col("Date").alias("effective"), (step * pl.col("Close")).round(3).alias("amount"), s=step)
    return paid.filter(pl.col("s") > 1e-5).select(list(DIVIDENDS))
