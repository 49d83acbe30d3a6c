"""Who is asked first, for each asset class."""

from __future__ import annotations

from barhouse.model import AssetClass

ORDER: dict[AssetClass, tuple[str, ...]] = {
    AssetClass.STOCK: ("polygon", "yahoo"),
    AssetClass.ETF: ("polygon", "yahoo"),
    AssetClass.CRYPTO: ("binance", "polygon", "yahoo"),
}

FILE = "file"
"""What a person brings by hand."""


def precedence(asset_class: AssetClass) -> tuple[str, ...]:
    """Whose word counts first where nothing else decides: a person's, who knows why, then the vendors in order."""
    return FILE, *ORDER[asset_class]


def outranked(source: str, asset_class: AssetClass) -> tuple[str, ...]:
    """The sources that are asked only after `source`: it may restate their bars. None for one outside the order."""
    order = ORDER[asset_class]
    return order[order.index(source) + 1 :] if source in order else ()
