"""Prices as if every share had always been one of today's, and dividends had been paid in prices."""

from __future__ import annotations

import polars as pl

from barhouse.calendar import Calendar
from barhouse.calendar.zone import local
from barhouse.model import PRICES, Adjust, Schema, Timeframe

FACTORS: Schema = {"effective": pl.Date(), "price": pl.Float64(), "volume": pl.Float64()}
CLOSES: Schema = {"day": pl.Date(), "close": pl.Float64()}


def factors(actions: pl.DataFrame, closes: pl.DataFrame, adjust: Adjust) -> pl.DataFrame:
    """What prices and volumes of bars before each day are multiplied by (`FACTORS`), by `effective`.

    `actions` are [kind, effective, ratio, amount], `closes` the raw closes of an instrument (`CLOSES`) by day. An n:1
    split divides prices by n and multiplies volumes by it. A dividend multiplies prices by 1 - amount / the close
    before, in the shares of the ex-day (CRSP's and Yahoo's formula); one without a close before touches no bar.
    """
    if adjust is Adjust.NONE:
        return pl.DataFrame(schema=FACTORS)
    splits = actions.filter(kind="split").select("effective", price=1 / pl.col("ratio"), volume="ratio")
    own = [splits, _dividends(actions, closes)] if adjust is Adjust.ALL else [splits]
    daily = pl.concat(own).group_by("effective").agg(pl.col("price", "volume").product()).sort("effective")
    return daily.with_columns(pl.col("price", "volume").cum_prod(reverse=True))


def _dividends(actions: pl.DataFrame, closes: pl.DataFrame) -> pl.DataFrame:
    """The factor of each dividend; what is paid out of a price cannot be all of it or more."""
    paid = actions.filter(kind="dividend").select("effective", "amount").sort("effective")
    before = paid.join_asof(
        closes.drop_nulls(), left_on="effective", right_on="day", allow_exact_matches=False, coalesce=False
    ).drop_nulls("day")
    shares = _shares(actions, before["effective"]) / _shares(actions, before["day"])
    cut = before.select("effective", price=1 - pl.col("amount") / (pl.col("close") / shares), volume=pl.lit(1.0))
    return cut.filter(pl.col("price") > 0, pl.col("price").is_finite())


def _shares(actions: pl.DataFrame, days: pl.Series) -> pl.Series:
    """What one share of the beginning had become by the end of each day."""
    splits = actions.filter(kind="split").sort("effective")
    grown = splits.select("effective", shares=pl.col("ratio").cum_prod())
    found = days.alias("effective").to_frame().join_asof(grown, on="effective", check_sortedness=False)
    return found["shares"].fill_null(1.0)


def adjusted(bars: pl.DataFrame, days: pl.Series, factors: pl.DataFrame) -> pl.DataFrame:
    """`bars` of the session dates `days` with prices and volume multiplied by the `factors` of later days.

    The number of trades and the turnover in money are what they were.
    """
    if factors.is_empty():
        return bars
    found = (
        days.alias("effective")
        .to_frame()
        .join_asof(factors, on="effective", strategy="forward", allow_exact_matches=False, check_sortedness=False)
    )
    by_price, by_volume = found["price"].fill_null(1.0), found["volume"].fill_null(1.0)
    prices = [name for name in (*PRICES, "vwap") if name in bars.columns]
    return bars.with_columns(pl.col(prices) * by_price, pl.col("volume") * by_volume)


def days(times: pl.Series, timeframe: Timeframe, calendar: Calendar) -> pl.Series:
    """The date in whose shares each bar is: its session's, and of a week the last one's.

    A week in which a split falls is mixed as traded, opened in old shares and closed in new ones: its close, which
    returns hang on, is right after an adjustment, what came before the split within that week is not.
    """
    if timeframe.intraday:
        return local(times, calendar.zone).dt.date()
    if timeframe is Timeframe.W1:
        closes = calendar.located(times.alias("time").to_frame(), timeframe)["closes"].dt.date()
        return closes.zip_with(closes.is_not_null(), times.dt.date())
    return times.dt.date()
