"""Instruments as people ask for them, and what is kept of them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from psycopg import Connection

from barhouse.errors import AmbiguousSymbol, InvalidParameter, UnknownSymbol
from barhouse.model import AssetClass, Instrument, Timeframe
from barhouse.sources import symbols
from barhouse.store import instruments, reading
from barhouse.store.instruments import Tracked
from barhouse.store.postgres import Database

MOST = 5_000
"""Symbols that are looked up in one question."""


def find(db: Database, symbol: str, asset_class: AssetClass | None = None) -> Instrument:
    """The one instrument that `symbol` can mean, however it is spelled: aapl is AAPL, BRK-B is BRK.B, BTC-USD is BTC.

    UnknownSymbol (404) if there is none, AmbiguousSymbol (409) naming the classes if there are several.
    """
    if not _can_be_text(symbol):
        raise UnknownSymbol(symbol)
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


def _can_be_text(symbol: str) -> bool:
    """Whether PostgreSQL can hold it: no text there has a NUL, or half a character."""
    return "\0" not in symbol and symbol.encode("utf-8", "ignore").decode() == symbol


def _spelled(connection: Connection, symbol: str, asset_class: AssetClass) -> Instrument | None:
    """The instrument of a class that the symbol means in another spelling, None if there is none."""
    try:
        return instruments.find(connection, symbols.instrument(symbol, asset_class).symbol, asset_class)
    except (InvalidParameter, UnknownSymbol):
        return None


def find_all(db: Database, wanted: Sequence[str], asset_class: AssetClass | None = None) -> list[Instrument]:
    """The instruments that these symbols can mean, in any spelling, each once and in their order.

    UnknownSymbol (404) naming those that nobody keeps, AmbiguousSymbol (409) for the first that is several,
    InvalidParameter (422) for more than `MOST` at a time.
    """
    if len(wanted) > MOST:
        raise InvalidParameter(f"symbols: at most {MOST} at a time, not {len(wanted)}; `*` stands for all")
    found = meant(db, wanted, asset_class)
    if unknown := [symbol for symbol in wanted if not found[symbol]]:
        raise UnknownSymbol(*dict.fromkeys(unknown))
    for symbol in wanted:
        if len(found[symbol]) > 1:
            raise AmbiguousSymbol(symbol, [each.asset_class for each in found[symbol]])
    return list(dict.fromkeys(found[symbol][0] for symbol in wanted))


def meant(db: Database, wanted: Sequence[str], asset_class: AssetClass | None = None) -> dict[str, list[Instrument]]:
    """The instruments that each of these symbols can mean, in any spelling: none, one or several."""
    with db.connection() as connection:
        found = instruments.among(connection, list(filter(_can_be_text, wanted)), asset_class)
        others = [symbol for symbol in wanted if symbol not in found]
        spelled = {symbol: _spellings(symbol, asset_class) for symbol in others}
        kept = instruments.among(connection, list({each.symbol for them in spelled.values() for each in them}))
    for symbol, them in spelled.items():
        found[symbol] = [known for each in them for known in kept.get(each.symbol, []) if known == each]
    return found


def _spellings(symbol: str, asset_class: AssetClass | None) -> list[Instrument]:
    """The instruments that a symbol in somebody's spelling may be, of a class or of any."""
    meant = []
    for each in [asset_class] if asset_class else AssetClass:
        with suppress(InvalidParameter):
            meant.append(symbols.instrument(symbol, each))
    return meant


def names(db: Database, asset_class: AssetClass | None = None) -> list[str]:
    """The symbols of which a series is known, each once, in order."""
    with db.connection() as connection:
        return instruments.names(connection, asset_class)


def filled(db: Database) -> list[Instrument]:
    """Every instrument that bars are kept of, by symbol."""
    with db.connection() as connection:
        return instruments.filled(connection)


def beginnings(db: Database, instrument: Instrument) -> dict[Timeframe, datetime]:
    """From when on each series of an instrument was read or has bars; those of which nothing is known are left out."""
    with db.connection() as connection:
        return instruments.beginnings(connection, instrument)


def tracked(db: Database) -> list[Tracked]:
    """Every series that is kept up to date, by symbol."""
    with db.connection() as connection:
        return instruments.tracked(connection)


def described(db: Database) -> list[dict[str, Any]]:
    """Every series with what is stored of it, and the mean quality of its newest bars."""
    with db.connection() as connection:
        return reading.described(connection)


def totals(db: Database) -> dict[str, Any]:
    """What the warehouse holds in all."""
    with db.connection() as connection:
        return reading.totals(connection)
