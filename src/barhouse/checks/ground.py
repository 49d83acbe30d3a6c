"""What outliers are looked for in: settled bars of the regular session, in the shares of one day."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from barhouse.calendar import Calendar
from barhouse.checks import candle
from barhouse.checks.place import placed
from barhouse.checks.scale import scale
from barhouse.model import ALWAYS_OPEN, PRICES, Timeframe

BASIS = ("o", "h", "l", "c")
"""The prices of a bar in the shares of before all splits."""


def standing(bars: pl.DataFrame, calendar: Calendar, timeframe: Timeframe) -> pl.DataFrame:
    """The settled bars in regular slots, with `opens`, `closes` and `session`."""
    settled = ~pl.col("extended") & ~pl.col("forming").fill_null(value=False)
    there = placed(bars, calendar, timeframe).lazy().filter(settled & pl.col("on_grid") & ~pl.col("beyond"))
    return there.drop("on_grid", "beyond").collect()


def impossible(standing: pl.DataFrame) -> pl.Series:
    """Which rows fail a hard check by themselves; that a whole series knows no volume is no fault of its bars."""
    volume = (
        pl.col("volume").is_not_null().any().over("instrument")
        if standing["volume"].has_nulls()
        else pl.lit(value=True)
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


def grounded(sound: pl.DataFrame, splits: pl.DataFrame, calendar: Calendar, timeframe: Timeframe) -> pl.DataFrame:
    """Sound bars with prices (`o`, `h`, `l`, `c`) and volume (`v`) in the shares of before all `splits`, the close
    before (`p`), and what returns are usual around (`median`, `deviation`).

    On exchanges the first bars of the sessions are compared with each other: a night moves prices more than a bar.
    """
    rows = sound.with_columns(_shares(sound, splits, timeframe))
    same = pl.col("instrument") == pl.col("instrument").shift()
    basis = {name: pl.col(price) * pl.col("shares") for name, price in zip(BASIS, PRICES, strict=True)}
    rows = rows.with_columns(**basis, v=pl.col("volume") / pl.col("shares"), row=pl.int_range(pl.len()))
    opening = ~same | (pl.col("session") != pl.col("session").shift())
    nights = timeframe.intraday and calendar.name != ALWAYS_OPEN
    rows = rows.with_columns(
        p=pl.when(same).then(pl.col("c").shift()),
        no=pl.when(same.shift(-1)).then(pl.col("o").shift(-1)),
        lane=pl.col("instrument") * 2 + (opening.fill_null(value=True) if nights else 0),
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
