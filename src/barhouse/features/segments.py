"""Holes: where expected bars are absent, and so where windows end and start anew."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from barhouse.calendar import Calendar
from barhouse.model import Span, Timeframe

ROW = pl.int_range(pl.len(), dtype=pl.Int64)
KIN = pl.col("instrument") == pl.col("instrument").shift(1)
"""Whether the row before is of the same instrument."""


def slots(bars: pl.DataFrame, calendar: Calendar, timeframe: Timeframe) -> pl.DataFrame:
    """The expected slots around `bars`, numbered: [time, slot, sitting, ends, day].

    `sitting` numbers the sessions, `ends` marks the last slot of one, and `day` is the date of the close.
    """
    first, last = bars.select(first=pl.min("time"), last=pl.max("time")).row(0)
    return calendar.expected(timeframe, Span(first, last + timedelta(microseconds=1))).select(
        "time",
        slot=ROW,
        sitting=pl.col("session").rle_id().cast(pl.Int64),
        ends=pl.col("session").ne_missing(pl.col("session").shift(-1)),
        day=pl.col("closes").dt.date() if timeframe is Timeframe.W1 else pl.col("session"),
    )


def on_grid(bars: pl.DataFrame, grid: pl.DataFrame) -> pl.DataFrame:
    """`bars` with their slots, without those that stand in none."""
    places = bars.select("time").join(grid, on="time", how="left", maintain_order="left")
    placed = bars.with_columns(places.drop("time"))
    return placed.drop_nulls("slot") if places["slot"].null_count() else placed


def segmented(bars: pl.DataFrame, skips: pl.Expr) -> pl.DataFrame:
    """`bars` with the `segment` they are in, and `nth`, which bar of it each is.

    A segment begins where the bar `skips` slots, and on both sides of a bar without sound prices.
    """
    sound = pl.col("sound") & pl.col("sound").shift(1)
    marked = bars.with_columns(broken=(~KIN | skips | ~sound).fill_null(value=True))
    return marked.with_columns(segment=pl.col("broken").cum_sum().set_sorted(), nth=since(pl.col("broken")))


def since(mark: pl.Expr) -> pl.Expr:
    """How many bars there were since the last marked one, itself included."""
    return ROW - pl.when(mark).then(ROW).forward_fill() + 1


def jumps() -> pl.Expr:
    """Whether slots lie between a bar and the one before it."""
    return pl.col("slot") > pl.col("slot").shift(1) + 1


def unread(bars: pl.DataFrame, read: pl.DataFrame, times: pl.Series) -> pl.Expr:
    """Whether slots that nobody has `read` lie between a bar and the one before it; `times` are those of all slots."""
    ranges = bars.select("instrument", row=ROW, low=pl.col("slot").shift(1) + 1, until="slot", absent=KIN & jumps())
    absent = ranges.filter("absent")
    known = absent.join_asof(_stretches(read, times), on="low", by="instrument", check_sortedness=False)
    rows = known.filter((pl.col("high") < pl.col("until")).fill_null(value=True))["row"]
    return ROW.is_in(rows.implode())


def _stretches(read: pl.DataFrame, times: pl.Series) -> pl.DataFrame:
    """What was read, in as few stretches as possible: [instrument, low, high], slots from `low` and below `high`."""
    ends = [times.search_sorted(read[end]).cast(pl.Int64).alias(end) for end in ("start", "end")]
    ordered = read.select("instrument", *ends).sort("instrument", "start")
    reached = pl.col("end").cum_max().shift(1).over("instrument")
    apart = (pl.col("start") > reached).fill_null(value=True).cum_sum()
    stretches = ordered.group_by("instrument", apart.alias("stretch"), maintain_order=True)
    return stretches.agg(low=pl.min("start"), high=pl.max("end"))
