"""Series whose next bar is overdue, each by what its own source takes to have one."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from barhouse.calendar import Calendar
from barhouse.checks.staleness import STALE, stale
from barhouse.model import INSTANT, Schema, Timeframe

NEWEST: Schema = {"instrument": pl.Int32(), "time": INSTANT, "delay": pl.Duration("us")}
"""A row a series: its newest settled bar, and how long after its close the source of that one has a bar."""


def overdue(newest: pl.DataFrame, *, calendar: Calendar, timeframe: Timeframe, now: datetime) -> pl.DataFrame:
    """The series that lack a bar which was due before `now` (`STALE`); `newest` is `NEWEST` with `closes`."""
    late = [
        stale(own.drop("delay"), calendar=calendar, timeframe=timeframe, delay=delay, now=now)
        for (delay,), own in newest.partition_by("delay", as_dict=True).items()
    ]
    return pl.concat([pl.DataFrame(schema=STALE), *late])
