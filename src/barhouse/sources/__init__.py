"""The vendors: one file each, one line in `configured`."""

from __future__ import annotations

from barhouse.config import Settings
from barhouse.sources.base import Source
from barhouse.sources.binance import Binance
from barhouse.sources.polygon import Polygon
from barhouse.sources.yahoo import Yahoo


def configured(settings: Settings) -> dict[str, Source]:
    """The sources that these settings open, by name; Polygon needs a key."""
    patience = settings.http_timeout
    sources: list[Source] = [
        Binance(settings.binance_url, settings.binance_futures_url, timeout=patience),
        Yahoo(settings.yahoo_url, timeout=patience),
    ]
    if key := settings.polygon_api_key:
        pace = settings.polygon_calls_per_minute
        sources.append(Polygon(settings.polygon_url, key.get_secret_value(), calls_per_minute=pace, timeout=patience))
    return {source.name: source for source in sources}
