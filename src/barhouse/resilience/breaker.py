"""A circuit breaker: a vendor that fails is left alone for a while, then tried by a single call.

              half of the calls in the window failed, 5 at least
    closed ──────────────────────────────────────────────────────▶ open ◀──────────────┐
       ▲                                                             │                 │
       │                                      recovery_timeout is over                 │ the probe failed
       │                                                             ▼                 │
       └───────────────── the probe got an answer ─────────────── half_open ───────────┘
                                                         one call is let through

A probe that was cancelled says nothing: the next call is the probe then.
"""

from __future__ import annotations

import inspect
import threading
import time
from collections import deque
from collections.abc import Callable
from enum import StrEnum
from typing import Any

from barhouse.errors import CircuitOpen

WINDOW = 60.0
"""Seconds that a call is remembered."""

LATEST = 20
"""Calls that are remembered at most: a thousand good ones a moment ago say nothing of a vendor that fails now."""

LEAST = 5
"""Fewer calls in the window are no reason to open."""


class State(StrEnum):
    """Where a breaker is in the drawing above."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


def whatever(_: Exception) -> bool:
    """Every error is a failure."""
    return True


class CircuitBreaker:
    """Opens when `failure_threshold` of the latest calls failed; closes when a probe gets an answer.

    The share is over the calls of the last 60 s, the latest 20 of them at most. Errors for which `counts` is false
    are answers: they are no failures, and no successes that could hide one.
    """

    def __init__(
        self,
        name: str,
        failure_threshold: float = 0.5,
        recovery_timeout: float = 60.0,
        *,
        counts: Callable[[Exception], bool] = whatever,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.settings = (failure_threshold, recovery_timeout)
        self._counts = counts
        self._clock = clock
        self._lock = threading.Lock()
        self._calls: deque[tuple[float, bool]] = deque(maxlen=LATEST)
        self._opened_at: float | None = None
        self._probing = False

    @property
    def state(self) -> State:
        """Where it stands now; past its recovery time an open breaker is half open."""
        if self._opened_at is None:
            return State.CLOSED
        return State.HALF_OPEN if self._clock() - self._opened_at >= self.settings[1] else State.OPEN

    def check(self) -> None:
        """CircuitOpen where a call would not be let through now."""
        if self.state is State.OPEN or self._probing:
            raise CircuitOpen(self.name)

    def call(self, func: Callable[..., Any], *args: Any, **named: Any) -> Any:
        """What `func` gives, awaited by the caller if it is async; CircuitOpen without calling it while open."""
        if inspect.iscoroutinefunction(func):
            return self._awaited(func, *args, **named)
        probe = self._enter()
        try:
            result = func(*args, **named)
        except BaseException as error:
            self._leave(probe, error)
            raise
        if inspect.isawaitable(result):
            return self._finished(probe, result)
        self._leave(probe, None)
        return result

    def status(self) -> dict[str, object]:
        """Its name, state, and the calls and failures that it remembers."""
        with self._lock:
            failed = self._failures()
            return {"name": self.name, "state": str(self.state), "calls": len(self._calls), "failures": failed}

    async def _awaited(self, func: Callable[..., Any], *args: Any, **named: Any) -> Any:
        return await self._finished(self._enter(), func(*args, **named))

    async def _finished(self, probe: bool, result: Any) -> Any:
        try:
            value = await result
        except BaseException as error:
            self._leave(probe, error)
            raise
        self._leave(probe, None)
        return value

    def _enter(self) -> bool:
        """Let a call through, and say whether it is the probe."""
        with self._lock:
            self.check()
            self._probing = self._opened_at is not None
            return self._probing

    def _leave(self, probe: bool, error: BaseException | None) -> None:
        """Take note of how a call ended; one that was cancelled ended in no way at all."""
        failed = isinstance(error, Exception) and self._counts(error)
        with self._lock:
            if probe:
                self._probing = False
            if error is not None and not isinstance(error, Exception):
                return
            if probe:
                self._opened_at = self._clock() if failed else None
                self._calls.clear()
            elif self._opened_at is None and (failed or error is None):
                self._calls.append((self._clock(), failed))
                self._judge()

    def _judge(self) -> None:
        """Open, where too many of the remembered calls failed."""
        failures = self._failures()
        if len(self._calls) >= LEAST and failures >= self.settings[0] * len(self._calls):
            self._opened_at = self._clock()

    def _failures(self) -> int:
        """How many calls of the window failed; older ones are forgotten."""
        while self._calls and self._calls[0][0] <= self._clock() - WINDOW:
            self._calls.popleft()
        return sum(failed for _, failed in self._calls)
