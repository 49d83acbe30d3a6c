"""What only crypto markets show."""

from __future__ import annotations

import polars as pl

from barhouse.features.registry import feature
from barhouse.features.windows import NTH_TRADED, before, whole


@feature(crypto_only=True)
def delta() -> pl.Expr:
    """Taker buy volume less taker sell volume."""
    return pl.col("taker_buy_volume") - pl.col("taker_sell_volume")


@feature(crypto_only=True)
def buy_sell_ratio() -> pl.Expr:
    """Taker buy volume over taker sell volume."""
    return pl.col("taker_buy_volume") / pl.col("taker_sell_volume")


@feature(crypto_only=True)
def liquidation_intensity() -> pl.Expr:
    """Liquidations of longs and shorts together, over volume."""
    return (pl.col("liquidations_long") + pl.col("liquidations_short")) / pl.col("volume")


@feature(crypto_only=True)
def volume_spike_score() -> pl.Expr:
    """Volume less its mean, in sample deviations, both of the 20 bars before and of one source."""
    past = pl.col("volume").shift(1)
    score = (pl.col("volume") - past.rolling_mean(20)) / past.rolling_std(20, ddof=1)
    return whole(score, 21, NTH_TRADED)


@feature(crypto_only=True)
def long_short_ratio() -> pl.Expr:
    """Accounts that are long over accounts that are short, as the exchange reports it."""
    return pl.col("long_short_ratio")


@feature(crypto_only=True)
def funding_rate_percentile() -> pl.Expr:
    """Percent of the previous 90 funding settlements whose rate was strictly below the current one."""
    return pl.col("settlements_below") / 0.9


@feature(crypto_only=True)
def exchange_inflow() -> pl.Expr:
    """Net inflow to exchanges, where a source has it."""
    return pl.col("exchange_inflow")


@feature(crypto_only=True)
def open_interest_change() -> pl.Expr:
    """Open interest over that of the bar before, less one."""
    return pl.col("open_interest") / before("open_interest") - 1
