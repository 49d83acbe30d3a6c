"""How each vendor writes an instrument, told by its asset class and never by its letters."""

from __future__ import annotations

import re

from barhouse.errors import CannotServe, InvalidParameter
from barhouse.model import AssetClass, Instrument

DOLLARS = {"USD", "USDT"}
"""Quote currencies that go without saying: Binance has no dollars and quotes in Tether."""

QUOTES = ("FDUSD", "USDT", "USDC", "BUSD", "TUSD", "USD", "EUR", "GBP", "JPY", "AUD", "CAD", "CHF", "BRL", "TRY")
"""Quote currencies that are recognised at the end of a pair written without a separator."""

DOLLAR_COINS = {"FDUSD", "USDT", "USDC", "BUSD", "TUSD", "PYUSD", "RLUSD", "GUSD", "LUSD", "SUSD", "CRVUSD", "EURT"}
"""Coins whose own name ends like a quote currency."""

STOCK = re.compile(r"[A-Za-z0-9]+(?:[.-][A-Za-z0-9]+)*")
COIN = re.compile(r"(?:X:)?([A-Z0-9]+)(?:[-/_]([A-Z0-9]+))?")

LONGEST = 40
"""Letters of the longest symbol; vendors have twenty or so."""


def instrument(symbol: str, asset_class: AssetClass) -> Instrument:
    """The instrument that a user means: BTC, BTC-USD, BTCUSD, BTCUSDT and X:BTCUSD are one coin, BRK-B is BRK.B.

    A quote currency other than the dollar is kept: BTC-EUR. InvalidParameter (422) for what is no symbol.
    """
    if asset_class is AssetClass.CRYPTO:
        base, quote = pair(symbol)
        return Instrument(base if quote in DOLLARS else f"{base}-{quote}", asset_class)
    text = symbol.strip()
    if len(text) > LONGEST or not STOCK.fullmatch(text):
        raise InvalidParameter(f"{_quoted(symbol)} is no symbol of a stock or ETF")
    # a mixed case has a meaning: KIMpL is a preferred share
    return Instrument((text.upper() if text.islower() else text).replace("-", "."), asset_class)


def pair(symbol: str) -> tuple[str, str]:
    """A coin and the currency that its price is in, from any of the ways to write them."""
    text = symbol.strip().upper()
    match = COIN.fullmatch(text)
    if match is None or len(text) > LONGEST:
        raise InvalidParameter(f"{_quoted(symbol)} is no symbol of a coin; write it like BTC or BTC-EUR")
    base, quote = match.groups()
    if quote:
        return base, quote
    if base in DOLLAR_COINS:
        return base, "USD"
    found = next((end for end in QUOTES if base.endswith(end) and base != end), None)
    return (base.removesuffix(found), found) if found else (base, "USD")


def _quoted(symbol: str) -> str:
    """As much of a symbol as anybody wants to read."""
    return repr(symbol if len(symbol) <= LONGEST else f"{symbol[:LONGEST]}…")


def spelled(instrument: Instrument, source: str) -> str:
    """The symbol of `instrument` in the vendor's spelling; CannotServe where the vendor has no such class."""
    if instrument.asset_class is not AssetClass.CRYPTO:
        return _share(instrument.symbol, source)
    base, quote = pair(instrument.symbol)
    dollars = quote in DOLLARS
    match source:
        case "polygon":
            return f"X:{base}{'USD' if dollars else quote}"
        case "yahoo":
            return f"{base}-{'USD' if dollars else quote}"
        case "binance":
            return f"{base}{'USDT' if dollars else quote}"
        case _:
            raise CannotServe(source, f"it has no bars of {instrument}")


def _share(symbol: str, source: str) -> str:
    match source:
        case "polygon":
            return symbol
        case "yahoo":
            return symbol.replace(".", "-")
        case _:
            raise CannotServe(source, f"it has no bars of stocks and ETFs, {symbol} is one")
