"""How far a price went."""

from __future__ import annotations

import polars as pl

from barhouse.features.registry import feature, ingredient
from barhouse.features.windows import before


@feature
def return_1h() -> pl.Expr:
    """Close over the close one hour earlier within the session, less one; for bars of up to one hour."""
    return pl.col("close") / pl.col("hour_ago") - 1


@feature
def return_1d() -> pl.Expr:
    """Close over the last close of the previous session (crypto: 24 hours earlier), less one; not for weeks."""
    return pl.col("close") / pl.col("day_ago") - 1


@ingredient
def previous_close() -> pl.Expr:
    """The close of the bar before."""
    return before("close")


@ingredient
def log_return() -> pl.Expr:
    """The logarithm of close over previous close."""
    return (pl.col("close") / pl.col("previous_close")).log()
