"""Closes of an hour and of a day ago: by the clock and the session, not by counting bars."""

from __future__ import annotations

import polars as pl

from barhouse.features.segments import KIN, ROW
from barhouse.model import Timeframe

HOUR, DAY = 60, 1440
APART = 1 << 40
"""More slots than any series has: keeps the slots of two instruments apart in one number."""

NOTHING = pl.lit(None, pl.Float64)


def recalled(bars: pl.DataFrame, timeframe: Timeframe, *, always_open: bool) -> pl.DataFrame:
    """`bars` with `hour_ago` and `day_ago`: the closes that the returns look back to.

    Where no bar stands at that moment because nothing traded, the last close before it stands in.
    """
    hour, day = HOUR // timeframe.minutes, DAY // timeframe.minutes
    return bars.with_columns(
        hour_ago=_slots_ago(bars, hour, within=not always_open) if hour else NOTHING,
        day_ago=_slots_ago(bars, day, within=False) if always_open else _session_ago(),
    ).with_columns(NOTHING.alias("day_ago") if not day else [])


def _slots_ago(bars: pl.DataFrame, count: int, *, within: bool) -> pl.Series:
    """The close so many slots ago, `within` the session if need be."""
    key = pl.col("instrument").cast(pl.Int64) * APART + pl.col("slot")
    then = bars.select("instrument", "slot", "sitting", "close", key=key, unbroken=~pl.col("broken").shift(-1))
    now = bars.select("instrument", "slot", "sitting", key=key - count)
    both = now.join_asof(then, on="key", suffix="_then", check_sortedness=False)
    same = [pl.col(part) == pl.col(f"{part}_then") for part in ("instrument", *(["sitting"] if within else []))]
    exact = pl.col("slot_then") == pl.col("slot") - count
    return both.select(pl.when(*same, exact | pl.col("unbroken")).then("close")).to_series()


def _session_ago() -> pl.Expr:
    """The last close of the session before."""
    following = KIN & (pl.col("sitting") == pl.col("sitting").shift(1) + 1)
    complete = pl.col("ends").shift(1) | ~pl.col("broken")
    previous = pl.when(following & complete).then(pl.col("close").shift(1))
    opens = ~(KIN & (pl.col("sitting") == pl.col("sitting").shift(1))).fill_null(value=False)
    return previous.gather(pl.when(opens).then(ROW).forward_fill())
