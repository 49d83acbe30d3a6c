"""The vendors: one file each, one line in `configured`."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from barhouse.config import Settings
from barhouse.resilience import get_resilience_manager
from barhouse.resilience.manager import AT_ONCE, Guards
from barhouse.resilience.pace import Allowance, Quotas, Turns, alone
from barhouse.resilience.retry import Retry
from barhouse.sources import binance, futures, yahoo
from barhouse.sources.base import Source
from barhouse.sources.binance import Binance
from barhouse.sources.futures import Futures
from barhouse.sources.polygon import Polygon
from barhouse.sources.yahoo import Yahoo


def configured(settings: Settings, quotas: Quotas = alone, *, retry: Retry | None = None) -> dict[str, Source]:
    """The sources that these settings open, by name, their guards registered, their quotas kept by `quotas`.

    Polygon needs a key. Who does not want to wait for a vendor to recover says so by `retry`.
    """
    opening = _Opening(settings, quotas, retry)
    sources: list[Source] = [opening.binance(), opening.yahoo()]
    if key := settings.polygon_api_key:
        sources.append(opening.polygon(key.get_secret_value()))
    return {source.name: source for source in sources}


@dataclass(frozen=True, slots=True)
class _Opening:
    """How sources are opened."""

    settings: Settings
    quotas: Quotas
    retry: Retry | None

    def polygon(self, key: str) -> Polygon:
        """Polygon counts by the key, whichever of its hosts is called."""
        url, most = self.settings.polygon_url, self.settings.polygon_calls_per_minute
        pace = self.quotas(Allowance(Polygon.name, sha256(key.encode()).hexdigest(), most))
        return Polygon(url, key, timeout=self.settings.http_timeout, guard=self._guard(Polygon.name, url), pace=pace)

    def yahoo(self) -> Yahoo:
        """Yahoo counts by the address; on this machine it is none that could turn us away."""
        url = self.settings.yahoo_url
        pace = self._by_address(Yahoo.name, yahoo.CALLS_A_MINUTE if yahoo.is_abroad(url) else 0)
        return Yahoo(url, timeout=self.settings.http_timeout, guard=self._guard(Yahoo.name, url), pace=pace)

    def binance(self) -> Binance:
        """Binance counts by the address, its two markets apart."""
        url = self.settings.binance_url
        pace = self._by_address(binance.NAME, binance.WEIGHT_A_MINUTE - binance.SPARE_WEIGHT, by_the_clock=True)
        guard, patience = self._guard(binance.NAME, url), self.settings.http_timeout
        return Binance(url, self._futures(), timeout=patience, guard=guard, pace=pace)

    def _futures(self) -> Futures | None:
        url = self.settings.binance_futures_url
        if not url:
            return None
        pace = self._by_address(futures.MARKET, futures.CALLS_A_MINUTE)
        guard = self._guard(futures.MARKET, url, futures.ONCE)
        return Futures(url, refusal=binance.refusal, timeout=self.settings.http_timeout, guard=guard, pace=pace)

    def _by_address(self, source: str, most: int, *, by_the_clock: bool = False) -> Turns:
        return self.quotas(Allowance(source, self.settings.egress, most, by_the_clock=by_the_clock))

    def _guard(self, name: str, url: str, retry: Retry | None = None) -> Guards:
        at_once = max(AT_ONCE, self.settings.max_concurrent_symbols)
        return get_resilience_manager().register_vendor(name, url, retry or self.retry, at_once=at_once)
