"""When a vendor is asked again, and after how long."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog

from barhouse.errors import RateLimited, SourceError

T = TypeVar("T")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Retry:
    """How patient we are: waits grow by `multiplier` from `wait_initial`, plus jitter, up to `ceiling`.

    Errors of vendors are met by their kind; any other one ends the call, unless `whatever` went wrong is tried again.
    `window` is how long a refusal for too many calls lasts where the vendor does not say.
    """

    attempts: int = 5
    wait_initial: float = 1.0
    wait_jitter: float = 1.0
    ceiling: float = 300.0
    window: float = 61.0
    multiplier: float = 2.0
    whatever: bool = False
    name: str = ""
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    pause: Callable[[float], object] = time.sleep

    @property
    def settings(self) -> Retry:
        """It is nothing but its settings."""
        return self

    def wait(self, error: Exception) -> bool | float:
        """Whether asking again can help after `error`; seconds where the vendor rules how long."""
        if not isinstance(error, SourceError):
            return self.whatever
        if not error.transient:
            return False
        wait = error.retry_after
        if wait is None and isinstance(error, RateLimited):
            wait = self.window
        return True if wait is None else wait <= self.ceiling and wait

    async def execute_async(self, func: Callable[..., Awaitable[T]], *args: Any, **named: Any) -> T:
        """What `func` gives, asked for again while its errors pass by themselves; the last one is raised."""
        asked = 0
        while True:
            try:
                return await func(*args, **named)
            except Exception as error:
                wait = self._after(asked := asked + 1, error)
                if wait is None:
                    raise
            await self.sleep(wait)

    def execute_sync(self, func: Callable[..., T], *args: Any, **named: Any) -> T:
        """The same for a plain function."""
        asked = 0
        while True:
            try:
                return func(*args, **named)
            except Exception as error:
                wait = self._after(asked := asked + 1, error)
                if wait is None:
                    raise
            self.pause(wait)

    def status(self) -> dict[str, object]:
        """Its name, and what it does."""
        return {
            "name": self.name,
            "state": "active" if self.attempts > 1 else "off",
            "max_retries": self.attempts - 1,
            "initial_delay": self.wait_initial,
            "max_delay": self.ceiling,
            "backoff_multiplier": self.multiplier,
        }

    def _after(self, asked: int, error: Exception) -> float | None:
        """Seconds until the next attempt after `asked` of them; None where there is none."""
        told = self.wait(error)
        if told is False or asked >= self.attempts:
            return None
        # a float that is 0.0 is a wait too, so the type decides and not the truth
        wait = self._delay(asked) if isinstance(told, bool) else told
        log.warning("vendor_asked_again", after=f"{wait:.1f} s", error=str(error))
        return wait

    def _delay(self, asked: int) -> float:
        steps = min(asked - 1, 64)  # beyond that every ceiling is reached, and floats would overflow
        jitter = random.uniform(0, self.wait_jitter)  # noqa: S311
        return min(self.ceiling, self.wait_initial * self.multiplier**steps + jitter)
