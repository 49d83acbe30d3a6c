"""Back from prices that carry later splits to prices as traded."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from fractions import Fraction

import polars as pl

from barhouse.model import PRICES

Ratios = dict[date, Fraction]
"""The shares that come of one, by the session from which on they do."""


def factors(days: pl.Series, ratios: Ratios) -> pl.Series:
    """For each day the product of all ratios effective after it."""
    effective = sorted(ratios)
    left = [Fraction(1)]
    for day in reversed(effective):
        left.append(left[-1] * ratios[day])
    products = pl.Series("factor", [float(product) for product in reversed(left)], dtype=pl.Float64)
    place = pl.Series(effective, dtype=pl.Date).search_sorted(days, side="right")
    return products[place]


def as_traded(bars: pl.DataFrame, days: pl.Series, ratios: Ratios) -> pl.DataFrame:
    """`bars` of the sessions `days` with the splits effective after each taken out of its prices and volume.

    Prices have 4 decimals, 6 below 1: vendors send them in single precision.
    """
    bars = bars.with_columns(factors(days, ratios))
    prices = [_rounded(pl.col(name) * pl.col("factor")).alias(name) for name in PRICES]
    return bars.with_columns(*prices, volume=pl.col("volume") / pl.col("factor")).drop("factor")


def _rounded(price: pl.Expr) -> pl.Expr:
    return pl.when(price.abs() >= 1).then(price.round(4)).otherwise(price.round(6))


def combined(events: Iterable[tuple[date, Fraction]]) -> Ratios:
    """The ratio of each day; an event that is told twice counts once."""
    ratios: Ratios = {}
    for day, ratio in dict.fromkeys(events):
        ratios[day] = ratios.get(day, Fraction(1)) * ratio
    return ratios
