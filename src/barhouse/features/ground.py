"""The ground that formulas stand on: clean columns in one share basis, counted from hole to hole."""

from __future__ import annotations

import polars as pl

from barhouse.calendar import Calendar
from barhouse.features.basis import rebased
from barhouse.features.funding import ranked
from barhouse.features.lookback import recalled
from barhouse.features.segments import jumps, on_grid, segmented, since, slots, unread
from barhouse.features.windows import NTH, NTH_TRADED
from barhouse.model import INPUTS, PRICES, AssetClass, Timeframe

LONGEST_QUIET = 30
"""Up to so many minutes a slot may hold no bar because nothing traded in it."""


def ground(
    bars: pl.DataFrame,
    asset_class: AssetClass,
    timeframe: Timeframe,
    calendar: Calendar,
    splits: pl.DataFrame,
    read: pl.DataFrame | None,
) -> pl.DataFrame:
    """The bars on the grid, with all columns that formulas name and no formula gives."""
    crypto = asset_class is AssetClass.CRYPTO
    grid = slots(bars, calendar, timeframe)
    placed = on_grid(_clean(bars, crypto=crypto), grid)
    whole = segmented(placed, _skips(placed, timeframe, read, grid["time"]))
    based = whole.with_columns(factor=pl.lit(1.0)) if crypto else rebased(whole, splits)
    recent = recalled(based, timeframe, always_open=crypto)
    full = ranked(recent, timeframe) if crypto else recent
    per_year = pl.lit(calendar.bars_per_year(timeframe))
    return full.with_columns(_nth_traded(crypto=crypto), bars_per_year=per_year)


def _clean(bars: pl.DataFrame, *, crypto: bool) -> pl.DataFrame:
    """The columns that matter, NULL where a number is none; a bar without sound prices has none at all."""
    numbers, prices = pl.col("volume", *(INPUTS if crypto else [])), pl.col(*PRICES)
    finite = pl.when(numbers.is_finite()).then(numbers)
    sound = pl.all_horizontal(prices.is_finite(), prices > 0).alias("sound")
    known = bars.select("instrument", "time", "source", prices, finite, sound)
    return known.with_columns(pl.when("sound").then(prices), pl.col("sound").fill_null(value=False))


def _skips(bars: pl.DataFrame, timeframe: Timeframe, read: pl.DataFrame | None, times: pl.Series) -> pl.Expr:
    """Whether a hole lies between a bar and the one before it."""
    if timeframe.minutes > LONGEST_QUIET:
        return jumps()
    return pl.lit(value=False) if read is None else unread(bars, read, times)


def _nth_traded(*, crypto: bool) -> pl.Expr:
    moved = pl.col("source").ne_missing(pl.col("source").shift(1))
    return (since(pl.col("broken") | moved) if crypto else pl.col(NTH)).alias(NTH_TRADED)
