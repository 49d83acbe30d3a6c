"""All breakers, limiters, retries and bulkheads of the process, by name, and the set of them around each vendor."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Protocol, TypeVar

from barhouse.errors import RateLimited, SourceError
from barhouse.resilience.breaker import CircuitBreaker
from barhouse.resilience.bulkhead import Bulkhead
from barhouse.resilience.limiter import RateLimiter
from barhouse.resilience.retry import Retry

SENDS_A_SECOND = 100
"""What Polygon asks heavy users to stay under; ten calls at a time reach it where answers take less than 0.1 s."""

AT_ONCE = 10
"""Calls to one vendor that are under way together: more of them are a burst."""


class Pattern(Protocol):
    """What has a name, and a state to tell."""

    @property
    def name(self) -> str:
        """What it was registered as."""
        ...

    @property
    def settings(self) -> object:
        """What it was made with: patterns of one name and equal settings are one."""
        ...

    def status(self) -> dict[str, object]:
        """Its name, its state, and what is worth knowing beside."""
        ...


P = TypeVar("P", bound=Pattern)


@dataclass(frozen=True, slots=True)
class Guards:
    """What stands around each call to one vendor."""

    breaker: CircuitBreaker
    limiter: RateLimiter
    retry: Retry
    bulkhead: Bulkhead


@dataclass(frozen=True, slots=True)
class Measures:
    """What a set around a vendor is made with."""

    failure_share: float = 0.5
    recovery: float = 60.0
    calls_a_second: float = SENDS_A_SECOND
    at_once: int = AT_ONCE


USUAL = Measures()


def guards(name: str, retry: Retry | None = None, measures: Measures = USUAL) -> Guards:
    """A set for the vendor called `name`, which nobody else uses."""
    pace = measures.calls_a_second
    return Guards(
        CircuitBreaker(name, measures.failure_share, measures.recovery, counts=fails),
        RateLimiter(name, pace, 1.0, max(1, round(pace))),
        replace(retry or Retry(), name=name),
        Bulkhead(name, measures.at_once),
    )


def fails(error: Exception) -> bool:
    """Whether an error says that a vendor is ill: what it refuses, even for the number of calls, does not."""
    return isinstance(error, SourceError) and error.transient and not isinstance(error, RateLimited)


class ResilienceManager:
    """A process's patterns. Who registers a name again with the same settings gets the one that is there."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._breakers: dict[str, CircuitBreaker] = {}
        self._limiters: dict[str, RateLimiter] = {}
        self._retries: dict[str, Retry] = {}
        self._bulkheads: dict[str, Bulkhead] = {}
        self._vendors: dict[str, tuple[object, Guards]] = {}

    def register_circuit_breaker(
        self, name: str, failure_threshold: float = 0.5, recovery_timeout: float = 60.0
    ) -> CircuitBreaker:
        """A breaker that opens at that share of failures in 60 s, 5 calls at least, and probes after the timeout."""
        return self._kept(self._breakers, CircuitBreaker(name, failure_threshold, recovery_timeout))

    def register_rate_limiter(
        self, name: str, rate: float, interval: float = 60.0, burst: int | None = None
    ) -> RateLimiter:
        """A token bucket of `rate` calls in `interval` seconds, `burst` of them at once."""
        return self._kept(self._limiters, RateLimiter(name, rate, interval, burst))

    def register_retry_policy(
        self,
        name: str,
        max_retries: int = 3,
        initial_delay: float = 1.0,
        max_delay: float = 60.0,
        backoff_multiplier: float = 2.0,
    ) -> Retry:
        """A policy that tries `max_retries` times more, whatever went wrong, after 1, 2, 4, … 60 seconds."""
        made = Retry(
            attempts=max_retries + 1,
            wait_initial=initial_delay,
            wait_jitter=0.0,
            ceiling=max_delay,
            multiplier=backoff_multiplier,
            whatever=True,
            name=name,
        )
        return self._kept(self._retries, made)

    def register_bulkhead(self, name: str, max_concurrent: int = 10, timeout: float | None = None) -> Bulkhead:
        """Room for `max_concurrent` calls at a time, each of which may take `timeout` seconds, waiting included."""
        return self._kept(self._bulkheads, Bulkhead(name, max_concurrent, timeout))

    def register_vendor(
        self, name: str, kind: object, retry: Retry | None = None, measures: Measures = USUAL
    ) -> Guards:
        """The set around all calls to a vendor; `kind` says which: at another address it has failed nobody yet."""
        with self._lock:
            kind = (kind, retry, measures)
            if name not in self._vendors or self._vendors[name][0] != kind:
                self._vendors[name] = (kind, made := guards(name, retry, measures))
                self._breakers[name], self._limiters[name] = made.breaker, made.limiter
                self._retries[name], self._bulkheads[name] = made.retry, made.bulkhead
            return self._vendors[name][1]

    def get_status(self) -> dict[str, list[dict[str, object]]]:
        """The lists `circuit_breakers, rate_limiters, retry_policies, bulkheads`; each item has `name` and `state`."""
        with self._lock:
            return {
                "circuit_breakers": _told(self._breakers),
                "rate_limiters": _told(self._limiters),
                "retry_policies": _told(self._retries),
                "bulkheads": _told(self._bulkheads),
            }

    def _kept(self, known: dict[str, P], made: P) -> P:
        """The pattern of that name and settings that is known, else the one just made, which is known from now on."""
        with self._lock:
            there = known.get(made.name)
            if there is None or there.settings != made.settings:
                known[made.name] = there = made
            return there


def _told(patterns: Mapping[str, Pattern]) -> list[dict[str, object]]:
    return [pattern.status() for pattern in patterns.values()]


@cache
def get_resilience_manager() -> ResilienceManager:
    """The manager of this process."""
    return ResilienceManager()
