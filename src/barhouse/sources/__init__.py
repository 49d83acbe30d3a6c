"""The vendors: one file each, one line in `configured`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

from barhouse.config import Settings
from barhouse.config.parts import Vendor
from barhouse.resilience import get_resilience_manager
from barhouse.resilience.manager import Guards, Measures
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
        told = self.settings.vendors.polygon
        holder = sha256(key.encode()).hexdigest()
        pace = self.quotas(Allowance(Polygon.name, holder, most, patience=told.longest_wait))
        guard = self._guard(Polygon.name, url, told)
        delay = timedelta(hours=4) if self.settings.polygon_end_of_day else timedelta(minutes=15)
        return Polygon(url, key, timeout=self.settings.http_timeout, guard=guard, pace=pace, delay=delay)

    def yahoo(self) -> Yahoo:
        """Yahoo counts by the address; on this machine it is none that could turn us away."""
        url, told = self.settings.yahoo_url, self.settings.vendors.yahoo
        pace = self._by_address(Yahoo.name, yahoo.CALLS_A_MINUTE if yahoo.is_abroad(url) else 0, told)
        guard = self._guard(Yahoo.name, url, told)
        return Yahoo(url, timeout=self.settings.http_timeout, guard=guard, pace=pace)

    def binance(self) -> Binance:
        """Binance counts by the address, its two markets apart."""
        url, told = self.settings.binance_url, self.settings.vendors.binance
        pace = self._by_address(binance.NAME, binance.WEIGHT_A_MINUTE - binance.SPARE_WEIGHT, told, by_the_clock=True)
        guard, patience = self._guard(binance.NAME, url, told), self.settings.http_timeout
        return Binance(url, self._futures(), timeout=patience, guard=guard, pace=pace)

    def _futures(self) -> Futures | None:
        url, told = self.settings.binance_futures_url, self.settings.vendors.binance
        if not url:
            return None
        pace = self._by_address(futures.MARKET, futures.CALLS_A_MINUTE, told)
        guard = self._guard(futures.MARKET, url, told, futures.ONCE)
        return Futures(url, refusal=binance.refusal, timeout=self.settings.http_timeout, guard=guard, pace=pace)

    def _by_address(self, source: str, most: int, told: Vendor, *, by_the_clock: bool = False) -> Turns:
        holder, patience = self.settings.egress, told.longest_wait
        return self.quotas(Allowance(source, holder, most, by_the_clock=by_the_clock, patience=patience))

    def _guard(self, name: str, url: str, told: Vendor, retry: Retry | None = None) -> Guards:
        patience = Retry(attempts=told.attempts, wait_initial=told.first_wait, ceiling=told.longest_wait)
        measures = Measures(
            told.failure_share,
            told.recovery,
            told.calls_a_second,
            max(told.calls_at_once, self.settings.max_concurrent_symbols),
        )
        return get_resilience_manager().register_vendor(name, url, retry or self.retry or patience, measures)
