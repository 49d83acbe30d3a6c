"""When a vendor is asked again, and after how long."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import stamina

from barhouse.errors import RateLimited, SourceError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Retry:
    """How patient we are with a vendor: waits double from `wait_initial`, plus jitter, up to `ceiling`.

    `window` is how long a refusal for too many calls lasts where the vendor does not say.
    """

    attempts: int = 5
    wait_initial: float = 1.0
    wait_jitter: float = 1.0
    ceiling: float = 300.0
    window: float = 61.0

    def wait(self, error: Exception) -> bool | float:
        """Whether asking again can help after `error`; seconds where the vendor rules how long."""
        if not isinstance(error, SourceError) or not error.transient:
            return False
        wait = error.retry_after
        if wait is None and isinstance(error, RateLimited):
            wait = self.window
        return True if wait is None else wait <= self.ceiling and wait

    async def run(self, call: Callable[[], Awaitable[T]]) -> T:
        """What `call` gives, asked for again while its errors pass by themselves."""
        async for attempt in stamina.retry_context(
            on=self.wait,
            attempts=self.attempts,
            timeout=None,
            wait_initial=self.wait_initial,
            wait_max=self.ceiling,
            wait_jitter=self.wait_jitter,
        ):
            with attempt:
                return await call()
        raise AssertionError("a retry ends with an answer or an error")
