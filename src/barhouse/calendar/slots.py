"""Where bars can stand: the grid of a timeframe over the sessions of an exchange."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from barhouse.calendar.zone import local
from barhouse.model import INSTANT, Schema, Span, Timeframe, at, within

TICK = timedelta(microseconds=1)

PLACE: Schema = {
    "opens": INSTANT,
    "closes": INSTANT,
    "session": pl.Date(),
    "extended": pl.Boolean(),
    "on_grid": pl.Boolean(),
}
"""Where a bar stands: the trading that it covers, of which session, whether outside of it, whether on its grid."""


def grid(sessions: pl.DataFrame, zone: str, timeframe: Timeframe) -> pl.DataFrame:
    """The stretches of trading that slots are counted in, oldest first: [anchor, open, close, date].

    `anchor` is the canonical time of a stretch's first slot. A stretch is a session; for weekly bars all sessions
    of a week together.
    """
    if timeframe is Timeframe.W1:
        weeks = sessions.group_by(anchor=pl.col("date").dt.truncate("1w").cast(INSTANT), maintain_order=True)
        return weeks.agg(pl.col("open").first(), pl.col("close").last(), pl.col("date").first())
    if timeframe is Timeframe.D1:
        anchor = sessions["date"].cast(INSTANT)
    elif timeframe is Timeframe.H4:
        anchor = sessions["open"]
    else:
        clock = local(sessions["open"], zone)
        anchor = sessions["open"] - (clock - clock.dt.truncate(timeframe))
    return sessions.select(anchor.alias("anchor"), "open", "close", "date")


def expected(stretches: pl.DataFrame, timeframe: Timeframe, span: Span) -> pl.DataFrame:
    """The slots of a grid whose `time` is in `span`: [time, opens, closes, session]."""
    if not timeframe.intraday:
        slots = stretches.select(time="anchor", opens="open", closes="close", session="date")
        return slots.filter(within(span))
    width = timeframe.duration
    near = stretches.filter(pl.col("anchor") < at(span.end), pl.col("close") > at(span.start))
    steps = near.with_columns(step=pl.int_ranges(0, slots_in(width))).explode("step", empty_as_null=False)
    time = pl.col("anchor") + pl.col("step") * width
    starts = steps.lazy().with_columns(time=time).filter(within(span))
    return starts.select(
        "time",
        opens=pl.max_horizontal("time", "open"),
        closes=pl.min_horizontal(pl.col("time") + width, "close"),
        session="date",
    ).collect()


def slots_in(width: timedelta) -> pl.Expr:
    """How many slots a stretch holds; the last one may be cut short."""
    return -(-_micros(pl.col("close") - pl.col("anchor")) // _us(width))


def whole(past: pl.Expr, timeframe: Timeframe) -> pl.Expr:
    """How many slots fit wholly into a stretch of time."""
    return _micros(past) // _us(timeframe.duration)


def nearest(stretches: pl.DataFrame, times: pl.Series, timeframe: Timeframe) -> pl.DataFrame:
    """For each bar its `time` and the stretch that it can belong to: [time, anchor, open, close, date].

    That is the last one opening before the bar ends; for daily and weekly bars the first one not before its time.
    """
    times = times.alias("time")
    if timeframe.intraday:
        ends = times + timeframe.duration
        position = stretches["open"].search_sorted(ends, side="left").cast(pl.Int64) - 1
    else:
        position = stretches["anchor"].search_sorted(times, side="left").cast(pl.Int64)
    return stretches[position.clip(0, stretches.height - 1)].insert_column(0, times)


def located(stretches: pl.DataFrame, zone: str, times: pl.Series, timeframe: Timeframe) -> pl.DataFrame:
    """Where each bar stands: [opens, closes, session, extended, on_grid]."""
    bars = nearest(stretches, times, timeframe)
    if not timeframe.intraday:
        return bars.select(*_long(timeframe))
    regular = bars.select(*_intraday(timeframe))
    if not regular["extended"].any():
        return regular
    clock = local(times, zone)
    day, on_clock = clock.dt.date(), clock.dt.truncate(timeframe) == clock
    traded = day.is_in(stretches["date"].implode())
    return regular.with_columns(
        session=pl.when("extended").then(day).otherwise("session"),
        on_grid=pl.when("extended").then(on_clock & traded).otherwise("on_grid"),
    )


def holding(stretches: pl.DataFrame, zone: str, times: pl.Series, timeframe: Timeframe) -> pl.Series:
    """The intraday slots that stamps fall into, also between two; null on a day without session."""
    bars = nearest(stretches, times, timeframe)
    past = _micros(pl.col("time") - pl.col("anchor"))
    begun = pl.col("anchor") + (past - past % _us(timeframe.duration)).cast(pl.Duration("us"))
    inside = (pl.col("time") >= pl.col("anchor")) & (pl.col("time") < pl.col("close"))
    held = bars.select(slot=pl.when(inside).then(begun)).to_series()
    if not held.has_nulls():
        return held
    clock = local(times, zone)
    by_clock = (times - (clock - clock.dt.truncate(timeframe))).to_frame("slot")
    traded = clock.dt.date().is_in(stretches["date"].implode())
    return held.zip_with(held.is_not_null(), by_clock.select(pl.when(traded).then("slot")).to_series())


def on(anchor: str, timeframe: Timeframe) -> pl.Expr:
    """Whether a bar's `time` is whole timeframes away from `anchor`."""
    return _micros(pl.col("time") - pl.col(anchor)) % _us(timeframe.duration) == 0


def touches(timeframe: Timeframe) -> pl.Expr:
    """Whether a part of the intraday bar lies in the session near it."""
    return (pl.col("time") < pl.col("close")) & (pl.col("time") + timeframe.duration > pl.col("open"))


def begun(stretches: pl.DataFrame, moments: pl.Series, timeframe: Timeframe) -> pl.Series:
    """The intraday slots that hold these moments of sessions."""
    position = stretches["open"].search_sorted(moments, side="right").cast(pl.Int64) - 1
    anchor = stretches["anchor"].gather(position.clip(0))
    past = (moments - anchor).cast(pl.Int64)
    return anchor + (past - past % _us(timeframe.duration)).cast(pl.Duration("us"))


def _long(timeframe: Timeframe) -> list[pl.Expr]:
    there = pl.col("time") == pl.col("anchor")
    own = pl.col("time").dt.date()
    return [
        pl.when(there).then("open").otherwise("time").alias("opens"),
        pl.when(there).then("close").otherwise(pl.col("time") + timeframe.duration).alias("closes"),
        pl.when(there).then("date").otherwise(own).alias("session"),
        pl.lit(value=False).alias("extended"),
        there.fill_null(value=False).alias("on_grid"),
    ]


def _intraday(timeframe: Timeframe) -> list[pl.Expr]:
    inside = touches(timeframe)
    end = pl.col("time") + timeframe.duration
    return [
        pl.when(inside).then(pl.max_horizontal("time", "open")).otherwise("time").alias("opens"),
        pl.when(inside).then(pl.min_horizontal(end, "close")).otherwise(end).alias("closes"),
        pl.col("date").alias("session"),
        (~inside).fill_null(value=False).alias("extended"),
        on("anchor", timeframe).fill_null(value=False).alias("on_grid"),
    ]


def _micros(duration: pl.Expr) -> pl.Expr:
    return duration.cast(pl.Int64)


def _us(duration: timedelta) -> int:
    return duration // TICK
