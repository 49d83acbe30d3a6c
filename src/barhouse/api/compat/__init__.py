"""Answers in the vendors' own shapes, so that a vendor's own client reads Barhouse by changing a base URL."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any, Protocol, TypeAlias

import polars as pl
from fastapi import Request

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
        self,
        symbol: str,
        asset_class: AssetClass,
        timeframe: Timeframe,
        start: datetime,
        end: datetime,
        most: int | None = None,
    ) -> pl.DataFrame | None:
        """The bars in `[start, end)`: `time`, the five, and which of `model.MEASURES` it has beside.

        `most` bounds them: the first so many, or, negative, the last ones. None where it cannot know of bars:
        it has not read the instrument in this timeframe, or not that far; no rows where it knows that there are none.
        """
        ...

    def splits(self, symbols: Collection[str]) -> pl.DataFrame:
        """All splits of stocks and ETFs: `symbol`, `effective` (Date) and `ratio` (n of n:1), oldest first."""
        ...

    def dividends(self, symbols: Collection[str]) -> pl.DataFrame:
        """All dividends of stocks and ETFs: `symbol`, `effective` (Date), `amount` a share as paid, oldest first."""
        ...


class FuturesShelf(Shelf, Protocol):
    """A shelf that also has what a derivatives exchange reports."""

    def inputs(self, symbol: str, name: str) -> pl.DataFrame:
        """What it reports of a coin (`model.INPUTS`) as `time` and `value`, oldest first."""
        ...


def parameters(**meanings: str) -> dict[str, Any]:
    """What OpenAPI is told of parameters that vendors' endpoints read by themselves, refusing them in their words."""
    return {
        "parameters": [
            {"name": name, "in": "query", "required": False, "schema": {"type": "string"}, "description": meaning}
            for name, meaning in meanings.items()
        ]
    }


Shelves: TypeAlias = Callable[[Request], Shelf]
"""The shelf that a request is answered from."""
