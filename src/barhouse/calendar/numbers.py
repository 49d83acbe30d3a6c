"""The slots of a grid by their number, without laying them out: years of minutes cost what their sessions do."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from barhouse.calendar.slots import slots_in, whole
from barhouse.model import Timeframe


class Numbers:
    """The slots of a grid (`slots.grid`) counted from its first one, which is number 0."""

    def __init__(self, stretches: pl.DataFrame, timeframe: Timeframe) -> None:
        width = slots_in(timeframe.duration) if timeframe.intraday else pl.lit(1, pl.Int64)
        sized = stretches.select("anchor", "close", size=width)
        self._stretches = sized.with_columns(before=pl.col("size").cum_sum() - pl.col("size"))
        self._timeframe = timeframe
        self._all = int(sized["size"].sum())

    def begun(self, moments: pl.Series) -> pl.Series:
        """How many slots have a `time` up to each of these moments: the number of the next one."""
        position = self._stretches["anchor"].search_sorted(moments, side="right").cast(pl.Int64) - 1
        begun = pl.min_horizontal(whole(pl.col("moment") - pl.col("anchor"), self._timeframe) + 1, "size")
        near = self._stretches[position.clip(0)].with_columns(moments.alias("moment"), position.alias("position"))
        return near.select(pl.when(pl.col("position") >= 0).then(pl.col("before") + begun).otherwise(0)).to_series()

    def over(self, moment: datetime) -> int:
        """How many slots have closed by a moment."""
        position = int(self._stretches["close"].search_sorted(moment, side="right"))
        if position == self._stretches.height:
            return self._all
        anchor, _, size, before = self._stretches.row(position)
        past = (moment - anchor) // self._timeframe.duration if self._timeframe.intraday else 0
        return int(before + min(max(past, 0), size))

    def closes(self, numbers: pl.Series) -> pl.Series:
        """When the slots of these numbers close."""
        position = self._stretches["before"].search_sorted(numbers, side="right").cast(pl.Int64) - 1
        near = self._stretches[position].with_columns(step=numbers - self._stretches["before"][position])
        ends = pl.min_horizontal(pl.col("anchor") + (pl.col("step") + 1) * self._timeframe.duration, "close")
        return near.select(ends if self._timeframe.intraday else "close").to_series()
