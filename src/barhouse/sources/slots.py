"""Where a vendor's rows land on the calendar."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl

from barhouse.calendar import Calendar
from barhouse.model import BARS, Timeframe, at


def placed(
    rows: pl.DataFrame, timeframe: Timeframe, calendar: Calendar, *, now: datetime, delay: timedelta
) -> pl.DataFrame:
    """`rows` (time, measures, origin) as `model.BARS` plus `origin`, in canonical slots and in their order.

    A bar is forming until `delay` after its close; what no vendor gave is NULL.
    """
    slots = rows.with_columns(calendar.canonical(rows["time"], timeframe).alias("time"))
    located = calendar.located(slots, timeframe)
    forming = (pl.col("closes") + delay > at(now)).fill_null(False)
    known = {**{name: pl.col(name) for name in located.columns}, "forming": forming}
    return located.select(
        *(known.get(name, pl.lit(None)).cast(kind).alias(name) for name, kind in BARS.items()), "origin"
    )


def astray(rows: pl.DataFrame, raw: pl.DataFrame, timeframe: Timeframe, calendar: Calendar) -> pl.DataFrame:
    """Rejects for the rows that no bar can be built with, since they are bars of no slot of `timeframe`."""
    off = rows.filter(~calendar.located(rows.select("time"), timeframe)["on_grid"])
    payload = raw[off["origin"]].select(payload=pl.struct(pl.all()).struct.json_encode())
    return off.select("time", reason=pl.lit("off_grid")).hstack(payload)
