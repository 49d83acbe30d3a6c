"""Answers in the vendors' own shapes, so that a vendor's own client reads Barhouse by changing a base URL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import polars as pl

from barhouse.model import AssetClass, Instrument, Timeframe


class Shelf(Protocol):
    """Where a vendor-shaped answer takes its bars from: as traded, in canonical slots, oldest first."""

    def now(self) -> datetime:
        """The instant that counts as now: a vendor's reach is measured from it."""
        ...

    def instruments(self) -> Sequence[Instrument]:
        """Everything that the shelf has bars of."""
        ...

    def bars(
        self, symbol: str, asset_class: AssetClass, timeframe: Timeframe, start: datetime, end: datetime
    ) -> pl.DataFrame | None:
        """The bars in `[start, end)`: `time`, the five, and which of `model.MEASURES` it has beside.

        None for an unknown instrument, no rows where it has none in this timeframe.
        """
        ...

    def splits(self, symbol: str) -> pl.DataFrame:
        """All splits of a stock or ETF as `effective` (Date) and `ratio` (n of n:1), oldest first."""
        ...

    def dividends(self, symbol: str) -> pl.DataFrame:
        """All dividends of a stock or ETF as `effective` (Date) and `amount` a share as paid, oldest first."""
        ...

    def inputs(self, symbol: str, name: str) -> pl.DataFrame:
        """What a derivatives exchange reports of a coin (`model.INPUTS`) as `time` and `value`, oldest first."""
        ...
