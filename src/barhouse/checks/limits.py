"""From where on a bar is flagged, by asset class."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from barhouse.model import AssetClass


@dataclass(frozen=True, slots=True)
class Limits:
    """The largest shares and multiples that are still ordinary."""

    open_jump: float
    volume_above: float
    volume_below: float
    range: float = 5.0


LIMITS = {
    AssetClass.STOCK: Limits(open_jump=0.15, volume_above=5.0, volume_below=0.2),
    AssetClass.ETF: Limits(open_jump=0.12, volume_above=4.0, volume_below=0.15),
    AssetClass.CRYPTO: Limits(open_jump=0.30, volume_above=50.0, volume_below=0.001),
}


def beyond(figure: pl.Expr, limit: float) -> pl.Expr:
    """Whether `figure` is more than `limit`; exactly the limit is not, whatever binary fractions say."""
    return exact(figure) > limit


def exact(figure: pl.Expr) -> pl.Expr:
    """`figure` to nine decimals, where 0.85 / 1 - 1 is -0.15 and not a little more."""
    return figure.round(9)
