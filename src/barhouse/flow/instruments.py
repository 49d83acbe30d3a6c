"""Instruments as people ask for them, and what is kept of them."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from psycopg import Connection

from barhouse.errors import AmbiguousSymbol, InvalidParameter, UnknownSymbol
from barhouse.model import AssetClass, Instrument
from barhouse.sources import symbols
from barhouse.store import instruments, reading
from barhouse.store.instruments import Tracked
from barhouse.store.postgres import Database


def find(db: Database, symbol: str, asset_class: AssetClass | None = None) -> Instrument:
    """The one instrument that `symbol` can mean, however it is spelled: aapl is AAPL, BRK-B is BRK.B, BTC-USD is BTC.

    UnknownSymbol (404) if there is none, AmbiguousSymbol (409) naming the classes if there are several.
    """
    with db.connection() as connection, suppress(UnknownSymbol):
        return instruments.find(connection, symbol, asset_class)
    with db.connection() as connection:
        classes = [asset_class] if asset_class else list(AssetClass)
        meant = [found for each in classes if (found := _spelled(connection, symbol, each))]
    match meant:
        case []:
            raise UnknownSymbol(symbol)
        case [one]:
            return one
        case _:
            raise AmbiguousSymbol(symbol, [each.asset_class for each in meant])


def _spelled(connection: Connection, symbol: str, asset_class: AssetClass) -> Instrument | None:
    """The instrument of a class that the symbol means in another spelling, None if there is none."""
    try:
        return instruments.find(connection, symbols.instrument(symbol, asset_class).symbol, asset_class)
    except (InvalidParameter, UnknownSymbol):
        return None


def tracked(db: Database) -> list[Tracked]:
    """Every series that is kept up to date, by symbol."""
    with db.connection() as connection:
        return instruments.tracked(connection)


def described(db: Database, closes: int = 0) -> list[dict[str, Any]]:
    """Every series with what is stored of it, the mean quality of its newest bars, and the last `closes` of them."""
    with db.connection() as connection:
        return reading.described(connection, closes)


def totals(db: Database) -> dict[str, Any]:
    """What the warehouse holds in all."""
    with db.connection() as connection:
        return reading.totals(connection)
