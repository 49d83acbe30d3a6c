"""What a bar is compared with: the close and the usual volume before it, in its own shares."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from barhouse.calendar import Calendar
from barhouse.calendar.zone import local
from barhouse.model import ALWAYS_OPEN, AssetClass, Timeframe

LOOK_BACK = 20
"""Bars that the flags look back; intraday on exchanges it is sessions."""

SEEN = ("instrument", "time", "open", "close", "volume", "extended", "forming")


def with_past(
    bars: pl.DataFrame,
    before: pl.DataFrame,
    splits: pl.DataFrame,
    *,
    calendar: Calendar,
    timeframe: Timeframe,
    asset_class: AssetClass,
) -> pl.DataFrame:
    """For each of `bars` its `previous_close` and `usual_volume`; null where nothing can be compared.

    A bar in extended hours has none, a forming one no usual volume. `before` are settled bars known already.
    """
    seen = _with_clock(_together(bars, before), calendar, timeframe)
    seen = seen.with_columns(_lane(seen, asset_class, timeframe, calendar).alias("lane"))
    compared = _compared(_with_shares(seen, splits, timeframe)).filter("new")
    comparable = ~pl.col("forming") & (pl.col("usual_volume") > 0)
    return compared.select(
        pl.when(~pl.col("extended")).then("previous_close"),
        pl.when(~pl.col("extended") & comparable).then("usual_volume"),
    )


def _together(bars: pl.DataFrame, before: pl.DataFrame) -> pl.DataFrame:
    """The bars to judge (`new`) and those before them, by instrument and time; a new one hides its old self."""
    columns = [*SEEN, *(["source"] if "source" in bars.columns else [])]
    new = bars.select(*columns, new=pl.lit(value=True))
    if before.is_empty():
        return new
    known = before.filter(~pl.col("forming")).select(*columns, new=pl.lit(value=False))
    earlier = known.join(bars, on=["instrument", "time"], how="anti")
    return pl.concat([earlier, new]).sort("instrument", "time")


def _with_clock(seen: pl.DataFrame, calendar: Calendar, timeframe: Timeframe) -> pl.DataFrame:
    """The bars with what the exchange's clock shows at their start (daily and weekly: their date)."""
    zone = calendar.zone if timeframe.intraday else "UTC"
    return seen.with_columns(local(seen["time"], zone).alias("clock"))


def _lane(seen: pl.DataFrame, asset_class: AssetClass, timeframe: Timeframe, calendar: Calendar) -> pl.Expr:
    """What the bars have in common whose volumes can be compared."""
    if asset_class is AssetClass.CRYPTO and "source" in seen.columns:
        return pl.col("source").rle_id()
    if timeframe.intraday and calendar.name != ALWAYS_OPEN:
        return pl.col("clock").dt.time()
    return pl.lit(0, pl.UInt32)


def _compared(seen: pl.DataFrame) -> pl.DataFrame:
    """The bars with the two figures; those of extended hours and the others know nothing of each other."""
    series = ["instrument", "extended"] if seen["extended"].any() else ["instrument"]
    close = (pl.col("close") * pl.col("shares_at_close")).shift().over(series)
    volume = (pl.col("volume") / pl.col("shares_at_close")).shift().rolling_median(LOOK_BACK)
    return seen.with_columns(
        previous_close=close / pl.col("shares_at_open"),
        usual_volume=volume.over(*series, "lane") * pl.col("shares_at_close"),
    )


def _with_shares(seen: pl.DataFrame, splits: pl.DataFrame, timeframe: Timeframe) -> pl.DataFrame:
    """The bars with what a share from before the frame had become by their open, and by their close."""
    reach = timedelta(days=6 if timeframe is Timeframe.W1 else 0)
    steps = _steps(seen, splits, reach)
    if steps.is_empty():
        return seen.with_columns(shares_at_open=pl.lit(1.0), shares_at_close=pl.lit(1.0))
    date = pl.col("clock").dt.date()
    days = seen.select("instrument", at_open=date, at_close=date + reach)
    return seen.with_columns(_shares(days, steps, "at_open"), _shares(days, steps, "at_close"))


def _shares(days: pl.DataFrame, steps: pl.DataFrame, when: str) -> pl.Series:
    found = days.join_asof(steps, left_on=when, right_on="effective", by="instrument", check_sortedness=False)
    return found["shares"].fill_null(1.0).alias(f"shares_{when}")


def _steps(seen: pl.DataFrame, splits: pl.DataFrame, reach: timedelta) -> pl.DataFrame:
    """The splits in the time of the frame, each with the product of those until then; mostly there are none."""
    date = pl.col("clock").dt.date()
    first, last = seen.select(first=date.min(), last=date.max() + reach).row(0)
    within = splits.filter(pl.col("effective").is_between(first, last))
    return within.sort("instrument", "effective").select(
        "instrument", "effective", shares=pl.col("ratio").cum_prod().over("instrument")
    )
