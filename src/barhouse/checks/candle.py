"""The hard checks: what no bar can be."""

from __future__ import annotations

import polars as pl

from barhouse.checks.registry import Severity, check
from barhouse.model import PRICES

FIVE = (*PRICES, "volume")
"""What makes a bar."""


@check(Severity.HIGH)
def missing_field() -> pl.Expr:
    """Open, high, low, close or volume is absent, or no finite number."""
    return ~pl.all_horizontal(pl.col(name).is_finite().fill_null(value=False) for name in FIVE)


@check(Severity.HIGH)
def high_too_low() -> pl.Expr:
    """The high is below the open, the close or the low."""
    return pl.col("high") < pl.max_horizontal("open", "close", "low")


@check(Severity.HIGH)
def low_too_high() -> pl.Expr:
    """The low is above the open or the close."""
    return pl.col("low") > pl.min_horizontal("open", "close")


@check(Severity.HIGH)
def price_not_positive() -> pl.Expr:
    """A price is zero or below."""
    return pl.min_horizontal(*PRICES) <= 0


@check(Severity.HIGH)
def negative_volume() -> pl.Expr:
    """The volume is below zero."""
    return pl.col("volume") < 0


def unsound() -> pl.Expr:
    """Whether the values of a bar, wherever it stands, are those of no bar."""
    return pl.any_horizontal(missing_field(), high_too_low(), low_too_high(), price_not_positive(), negative_volume())


@check(Severity.MEDIUM)
def off_grid() -> pl.Expr:
    """No bar of the series starts at this time: off the timeframe's grid, or on a day without a session."""
    return ~pl.col("on_grid").fill_null(value=False)


@check(Severity.MEDIUM)
def duplicate() -> pl.Expr:
    """A later row of the same answer gives other values for the same slot, and that one was kept."""
    return same_slot(1)


def same_slot(distance: int) -> pl.Expr:
    """Whether the row so many rows further down (negative: up) a sorted frame is of the same slot."""
    return pl.all_horizontal(pl.col(name).eq_missing(pl.col(name).shift(-distance)) for name in ("instrument", "time"))
