"""What outliers are looked for in: settled bars of the regular session, in the shares of one day.

A `series` has one number on it, by its timeframe and instrument, so that those of several timeframes lie in one frame.
"""

from __future__ import annotations

from bisect import bisect_left
from datetime import timedelta

import polars as pl

from barhouse.calendar import Calendar
from barhouse.checks import candle
from barhouse.checks.place import placed
from barhouse.checks.scale import scale
from barhouse.model import ALWAYS_OPEN, PRICES, Timeframe

BASIS = ("o", "h", "l", "c")
"""The prices of a bar in the shares of before all splits."""

KNOWN = ("instrument", "time", *PRICES, "volume", "opens", "closes", "session")

TIMEFRAME = 2**32
"""How far the numbers of two timeframes of an instrument lie apart, for each step between their codes."""


def standing(bars: pl.DataFrame, splits: pl.DataFrame, calendar: Calendar, timeframe: Timeframe) -> pl.DataFrame:
    """The settled bars in regular slots (`KNOWN`), with their `series` and with `shares`.

    `nights` says whether its market closes between some of them, `stride` how many there are from one session to the
    same place of the next.
    """
    settled = ~pl.col("extended") & ~pl.col("forming").fill_null(value=False)
    there = placed(bars, calendar, timeframe).lazy().filter(settled & pl.col("on_grid") & ~pl.col("beyond"))
    nights = timeframe.intraday and calendar.name != ALWAYS_OPEN
    numbered = there.select(
        *KNOWN,
        series=pl.col("instrument") + pl.lit(timeframe.code * TIMEFRAME, pl.Int64),
        nights=pl.lit(nights),
        stride=pl.lit(calendar.per_session(timeframe) if nights else 1, pl.Int64),
    ).collect()
    return numbered.with_columns(_shares(numbered, splits, timeframe))


def timeframe_of() -> pl.Expr:
    """The code of the timeframe of a row, by its `series`."""
    return (pl.col("series") // TIMEFRAME).cast(pl.Int16)


def of_timeframe(rows: pl.DataFrame, timeframe: Timeframe) -> pl.DataFrame:
    """Those of some rows, which are sorted by their `series`, that are of a timeframe."""
    first, end = (bisect_left(rows["series"], code * TIMEFRAME) for code in (timeframe.code, timeframe.code + 1))
    return rows.slice(first, end - first)


def impossible(standing: pl.DataFrame) -> pl.Series:
    """Which rows fail a hard check by themselves; that a whole series knows no volume is no fault of its bars."""
    volume = (
        pl.col("volume").is_not_null().any().over("series") if standing["volume"].has_nulls() else pl.lit(value=True)
    )
    known = standing.select(*PRICES, volume=pl.when(volume).then("volume").otherwise(0.0))
    odd = known.select((~_plain()).fill_null(value=True)).to_series()
    if not odd.any():
        return odd
    fails = (
        candle.missing_field(),
        candle.high_too_low(),
        candle.low_too_high(),
        candle.price_not_positive(),
        candle.negative_volume(),
    )
    failing = known.filter(odd).select(pl.any_horizontal(*fails).fill_null(value=False)).to_series()
    return odd.scatter(odd.arg_true(), failing)


def _plain() -> pl.Expr:
    """Whether a bar is sound beyond doubt: a few comparisons instead of all checks."""
    inside = pl.all_horizontal(
        (pl.col(name) >= pl.col("low")) & (pl.col(name) <= pl.col("high")) for name in ("open", "close")
    )
    return (
        inside
        & (pl.col("low") > 0)
        & pl.col("high").is_finite()
        & (pl.col("volume") >= 0)
        & pl.col("volume").is_finite()
    )


def grounded(sound: pl.DataFrame) -> pl.DataFrame:
    """Sound bars (`standing`) with prices (`o`, `h`, `l`, `c`) and volume (`v`) in the shares of before all splits,
    the close before (`p`), the open after (`no`), and what returns are usual around (`median`, `deviation`).

    On exchanges the first bars of the sessions are compared with each other: a night moves prices more than a bar.
    """
    same = pl.col("series") == pl.col("series").shift()
    basis = {name: pl.col(price) * pl.col("shares") for name, price in zip(BASIS, PRICES, strict=True)}
    rows = sound.with_columns(**basis, v=pl.col("volume") / pl.col("shares"), row=pl.int_range(pl.len()))
    opening = ~same | (pl.col("session") != pl.col("session").shift())
    rows = rows.with_columns(
        p=pl.when(same).then(pl.col("c").shift()),
        no=pl.when(same.shift(-1)).then(pl.col("o").shift(-1)),
        lane=pl.col("series") * 2 + (pl.col("nights") & opening.fill_null(value=True)),
    )
    return rows.hstack(scale(rows.select("lane", r=pl.col("c") / pl.col("p") - 1)))


def _shares(bars: pl.DataFrame, splits: pl.DataFrame, timeframe: Timeframe) -> pl.Series:
    """What a share from before all splits had become by the end of each bar."""
    split = (
        splits if splits.is_empty() else splits.join(bars.select("instrument").unique(), on="instrument", how="semi")
    )
    if split.is_empty():
        return pl.repeat(1.0, bars.height, eager=True).alias("shares")
    steps = split.sort("instrument", "effective").select(
        "instrument", "effective", shares=pl.col("ratio").cum_prod().over("instrument")
    )
    # A weekly bar ends in the shares of its last session
    last = timedelta(days=6 if timeframe is Timeframe.W1 else 0)
    days = bars.select("instrument", day=pl.col("session") + last)
    found = days.join_asof(
        steps.sort("effective"), left_on="day", right_on="effective", by="instrument", check_sortedness=False
    )
    return found["shares"].fill_null(1.0).alias("shares")
