"""Two stored bars in one slot, which only rows of other tools and changed habits of a vendor bring about."""

from __future__ import annotations

import polars as pl

from barhouse.calendar import Calendar
from barhouse.model import Timeframe


def doubles(bars: pl.DataFrame, *, calendar: Calendar, timeframe: Timeframe) -> pl.DataFrame:
    """All rows of slots that hold two or more: `instrument`, `slot`, the columns of `bars`, and `keeps`.

    `bars` are stored ones of several series with `validated`, `quality_score` and `fetch_id`. `slot` is the canonical
    time; a stamp off the grid falls into the slot around it, one on a day without session into none. `keeps` marks one
    row a slot: the validated one, then that of the best quality, then the newest. By instrument, slot and time.
    """
    slots = bars.with_columns(slot=calendar.holding(bars["time"], timeframe))
    columns = ["instrument", "slot", *(name for name in bars.columns if name != "instrument")]
    # Two rows never bear the same time, so that a doubled slot holds a row which is not stamped with it
    strays = slots.filter(pl.col("slot") != pl.col("time"))
    if strays.is_empty():
        return strays.select(*columns, keeps=pl.lit(value=True))
    slot = ["instrument", "slot"]
    crowded = slots.join(strays.select(slot).unique(), on=slot, how="semi").filter(pl.len().over(slot) > 1)
    rank = pl.struct(
        pl.col("validated").fill_null(value=False),
        pl.col("quality_score").fill_nan(None).fill_null(-1.0),
        pl.col("fetch_id").fill_null(-1),
        "time",
    ).rank("ordinal", descending=True)
    return crowded.select(*columns, keeps=rank.over(slot) == 1).sort(*slot, "time")
