"""What each vendor normally sends with a bar beyond the five fields: a bar without it is less complete."""

from __future__ import annotations

USUAL: dict[str, frozenset[str]] = {
    "polygon": frozenset({"vwap", "trades"}),
    "binance": frozenset({"quote_volume", "trades", "taker_buy_volume"}),
    "yahoo": frozenset(),
}
"""By source; a file has no habits, it is judged by the columns that it brings."""
