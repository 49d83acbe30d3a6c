"""Bars that are no news: the one before told once more, a day read before it was over, a session an hour off."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from barhouse.calendar import Calendar
from barhouse.checks.candidates import neighbours
from barhouse.checks.ground import of_timeframe
from barhouse.checks.verdicts import Verdict
from barhouse.model import ALWAYS_OPEN, INSTANT, PRICES, Schema, Timeframe

LOOK_BACK = 20
"""Bars that show what volume and range are usual."""

THIN = 0.2
"""The share of the usual volume below which a newest bar was read too early, if its range is small too."""

NARROW = 0.4

HOUR = timedelta(hours=1)

SHIFTED: Schema = {"instrument": pl.Int32(), "time": INSTANT, "hours": pl.Int32()}


def repeated(ground: pl.DataFrame) -> pl.DataFrame:
    """The bars whose prices and volume are those of the bar before, though somebody traded: [row, verdict].

    A bar of one price says too little: where few people trade, the same lot changes hands at the same price again.
    """
    same = pl.all_horizontal(pl.col(name) == pl.col(name).shift() for name in ("series", *PRICES, "volume"))
    again = same & (pl.col("volume") > 0) & (pl.col("high") > pl.col("low"))
    return ground.select(pl.col("row").filter(again), verdict=pl.lit(Verdict.STALE_REPEAT))


def unfinished(ground: pl.DataFrame) -> pl.DataFrame:
    """The newest days and weeks with a fraction of the usual volume and range, read too early: [row, verdict].

    A half day is none, and intraday the volume says too little.
    """
    verdict = pl.lit(Verdict.PARTIAL_BAR).alias("verdict")
    long = pl.concat(of_timeframe(ground, each) for each in Timeframe if not each.intraday)
    if long.is_empty():
        return long.select("row", verdict)
    newest = long.filter((pl.col("series") != pl.col("series").shift(-1)).fill_null(value=True))
    before = neighbours(ground, newest, range(-LOOK_BACK, 0)).agg(
        count=pl.col("v").count(),
        usual=pl.col("v").median(),
        range=(pl.col("h") - pl.col("l")).median(),
        length=(pl.col("closes") - pl.col("opens")).median(),
    )
    whole = pl.col("closes") - pl.col("opens") >= pl.col("length")
    thin = pl.col("v") < THIN * pl.col("usual")
    narrow = pl.col("h") - pl.col("l") < NARROW * pl.col("range")
    beside = newest.hstack(before.collect().drop("number"))
    return beside.filter(thin & narrow & whole & (pl.col("count") == LOOK_BACK)).select("row", verdict)


def shifted(bars: pl.DataFrame, calendar: Calendar, timeframe: Timeframe) -> pl.DataFrame:
    """The first bars of sessions all of whose bars stand an hour too late or too early: [instrument, time, hours].

    Then the bars of an hour are absent at one end, and as many with the volume of regular ones are beyond the other.
    """
    nothing = pl.DataFrame(schema=SHIFTED)
    if calendar.name == ALWAYS_OPEN or not timeframe.intraday or timeframe.duration > HOUR:
        return nothing
    outside = bars.filter(pl.col("extended") & ~pl.col("forming"))
    if outside.is_empty():
        return nothing
    days = _with_edges(outside.select("instrument", "time", "volume"), calendar, timeframe)
    late = days.filter(pl.col("time") >= pl.col("close"), pl.col("time") < pl.col("last") + HOUR + timeframe.duration)
    early = days.filter(pl.col("time") < pl.col("anchor"), pl.col("time") >= pl.col("anchor") - HOUR)
    beyond = pl.concat([late.with_columns(hours=pl.lit(1)), early.with_columns(hours=pl.lit(-1))])
    inside = _inside(bars, beyond, calendar, timeframe)
    own = ["instrument", "anchor", "hours"]
    sessions = (
        beyond.group_by(own)
        .agg(
            pl.len().alias("count"),
            pl.first("last"),
            pl.min("time").alias("outer"),
            pl.mean("volume").alias("outer_volume"),
        )
        .join(inside, on=["instrument", "anchor"])
    )
    away = (
        pl.when(pl.col("hours") == 1)
        .then(pl.col("inner") >= pl.col("anchor") + HOUR)
        .otherwise(pl.col("final") <= pl.col("last") - HOUR)
    )
    like = (pl.col("outer_volume") >= 0.5 * pl.col("inner_volume")).fill_null(value=True)
    found = sessions.filter(away & like & (pl.col("count") == HOUR // timeframe.duration))
    return found.select("instrument", "hours", time=pl.min_horizontal("inner", "outer")).sort("instrument", "time")


def _with_edges(bars: pl.DataFrame, calendar: Calendar, timeframe: Timeframe) -> pl.DataFrame:
    """Bars with the session of their local day: its first slot (`anchor`), its last one, its close."""
    grid = calendar.grid(timeframe)
    day = bars.with_columns(calendar.located(bars, timeframe)["session"])
    span = pl.col("close") - pl.col("anchor")
    slots = -(-span.cast(pl.Int64) // (timeframe.minutes * 60_000_000))
    edges = grid.select("anchor", "close", session="date", last=pl.col("anchor") + (slots - 1) * timeframe.duration)
    return day.join(edges, on="session", maintain_order="left")


def _inside(bars: pl.DataFrame, beyond: pl.DataFrame, calendar: Calendar, timeframe: Timeframe) -> pl.DataFrame:
    """The regular bars of the sessions with bars beyond an end: when they begin and end, and their usual volume."""
    keys = beyond.select("instrument", "anchor").unique()
    near_days = bars.filter(~pl.col("extended"), pl.col("instrument").is_in(keys["instrument"].unique().implode()))
    edged = _with_edges(near_days.select("instrument", "time", "volume"), calendar, timeframe)
    return (
        edged.join(keys, on=["instrument", "anchor"], how="semi")
        .group_by("instrument", "anchor")
        .agg(inner=pl.min("time"), final=pl.max("time"), inner_volume=pl.median("volume"))
    )
