"""Series whose next bar is overdue, counted in the time of their market."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl

from barhouse.calendar import Calendar
from barhouse.calendar.zone import local
from barhouse.checks.registry import Severity
from barhouse.model import ALWAYS_OPEN, INSTANT, Schema, Timeframe

STALE: Schema = {
    "instrument": pl.Int32(),
    "last_update": INSTANT,
    "overdue_seconds": pl.Float64(),
    "missed": pl.UInt32(),
    "severity": pl.String(),
}
"""One row a series: when its newest bar ended, how long the next one is overdue, how many are due, how bad it is."""

DAY = timedelta(days=1)
VERY_LATE = 3 * DAY
"""Market time after which a stale series is critical: three sessions."""


def stale(
    newest: pl.DataFrame, *, calendar: Calendar, timeframe: Timeframe, delay: timedelta, now: datetime
) -> pl.DataFrame:
    """The series that lack a bar which was due before `now` (`STALE`); weekends and holidays cost nothing.

    `newest` is the newest stored bar of each [instrument, time, closes], `delay` how long after its close their source
    has one.
    """
    slots = calendar.numbers(timeframe)
    due = slots.over(now - delay)
    if newest.is_empty() or not due:
        return pl.DataFrame(schema=STALE)
    late = newest.with_columns(first=slots.begun(calendar.canonical(newest["time"], timeframe).cast(INSTANT)))
    late = late.filter(pl.col("first") < due)
    if late.is_empty():
        return pl.DataFrame(schema=STALE)
    since = slots.closes(late["first"]) + delay
    passed = market_time(pl.concat([pl.Series([now], dtype=INSTANT), since.rename("")]), calendar)
    return (
        late.lazy()
        .with_columns(overdue=passed[0] - passed[1:])
        .filter(pl.col("overdue") > timedelta())
        .select(
            "instrument",
            last_update="closes",
            overdue_seconds=pl.col("overdue").dt.total_microseconds() / 1e6,
            missed=due - pl.col("first"),
            severity=pl.when(pl.col("overdue") > VERY_LATE)
            .then(pl.lit(Severity.CRITICAL))
            .otherwise(pl.lit(Severity.HIGH)),
        )
        .cast(pl.Schema(STALE))
        .collect()
    )


def market_time(moments: pl.Series, calendar: Calendar) -> pl.Series:
    """How much market time had passed by each moment: clock time without the local days that hold no session."""
    if calendar.name == ALWAYS_OPEN:
        return moments.cast(pl.Int64).cast(pl.Duration("us"))
    dates, clock = pl.lit(calendar.sessions["date"]), pl.col("clock")
    before = dates.search_sorted(clock.dt.date(), side="left").cast(pl.Int64)
    through = dates.search_sorted(clock.dt.date(), side="right").cast(pl.Int64)
    today = clock - clock.dt.truncate("1d")
    # The clocks are changed on days without session, so that a local day with one has 24 hours
    shown = local(moments, calendar.zone).alias("clock").to_frame()
    return shown.select(before * DAY + today * (through - before)).to_series()
