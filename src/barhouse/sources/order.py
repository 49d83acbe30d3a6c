"""Who is asked first, for each asset class."""

from __future__ import annotations

from barhouse.model import AssetClass

ORDER: dict[AssetClass, tuple[str, ...]] = {
    AssetClass.STOCK: ("polygon", "yahoo"),
    AssetClass.ETF: ("polygon", "yahoo"),
    AssetClass.CRYPTO: ("binance", "polygon", "yahoo"),
}


def outranked(source: str, asset_class: AssetClass) -> tuple[str, ...]:
    """The sources that are asked only after `source`: it may restate their bars. None for one outside the order."""
    order = ORDER[asset_class]
    return order[order.index(source) + 1 :] if source in order else ()
