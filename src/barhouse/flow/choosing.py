"""The series that somebody means: of one symbol, of several or of all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from barhouse.flow.instruments import find
from barhouse.model import AssetClass, Series, Timeframe
from barhouse.store import instruments
from barhouse.store.postgres import Database

Symbols = str | Sequence[str] | None
"""One symbol, several, or None for all of them."""


def chosen(
    db: Database, symbol: Symbols = None, timeframe: str | None = None, asset_class: str | None = None
) -> list[Series]:
    """The stored series of some symbols (None: of all), by the number of their instrument, shortest bars first.

    A `timeframe` and an `asset_class` narrow them. UnknownSymbol (404), AmbiguousSymbol (409), InvalidTimeframe and
    InvalidAssetClass (400).
    """
    only = None if timeframe is None else Timeframe.of(timeframe)
    kind = None if asset_class is None else AssetClass.of(asset_class)
    keys = None if symbol is None else [find(db, each, kind).number for each in _each(symbol)]
    with db.connection() as connection:
        stored = instruments.stored(connection, keys)
    return [
        series
        for series in stored
        if only in (None, series.timeframe) and kind in (None, series.instrument.asset_class)
    ]


def _each(symbol: str | Sequence[str]) -> Iterable[str]:
    return dict.fromkeys([symbol] if isinstance(symbol, str) else symbol)
