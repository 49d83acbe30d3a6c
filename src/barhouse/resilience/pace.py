"""The pace of calls that a vendor's plan allows."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

MINUTE = 61.0
"""Seconds in which a vendor's calls a minute are kept: a second more than it counts, for the way there."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a vendor allows whom: `most` sends in any `window` seconds, or weight in a minute `by_the_clock`.

    `holder` is whom it counts for: the hash of a key, or the name of an address. 0 is no limit. If the vendor wants
    more than `patience` seconds of quiet, the next source is asked.
    """

    source: str
    holder: str
    most: int
    window: float = MINUTE
    by_the_clock: bool = False
    patience: float = 300.0


class Turns(Protocol):
    """Who lets calls leave, so that all together keep to an allowance."""

    async def turn(self, weight: int = 1) -> int | None:
        """Wait until the next call, which costs `weight`, may leave; how many may at once after it, None: any."""
        ...

    async def hold(self, seconds: float) -> None:
        """Let no call leave for so long: the vendor asked for it."""
        ...

    async def refuse(self, seconds: float, why: str) -> None:
        """Let nobody ask for so long: the vendor refused the key, or the address."""
        ...

    async def seen(self, used: int) -> None:
        """Take note of the weight that the vendor itself counted in this minute."""
        ...


Quotas = Callable[[Allowance], Turns]
"""Who keeps an allowance: a process for itself (`alone`), or all together in a database."""


class Pace:
    """At most `calls` in any `window` seconds, in the order of asking; 0 calls is no limit.

    A sliding log, since a bucket of 5 a minute lets 9 calls into one minute. It is kept in this process. Each call's
    time is one cell of the log, which says when it may leave until it says when it left.
    """

    def __init__(self, calls: int, window: float = MINUTE) -> None:
        self._log: deque[list[float]] = deque(maxlen=calls)
        self._window = window
        self._closed_until = 0.0

    async def turn(self, weight: int = 1) -> int | None:  # noqa: ARG002
        """Wait until the next call may leave; how many may at once after it, None: any."""
        full = bool(self._log) and len(self._log) == self._log.maxlen
        before, mine = self._log[0] if full else [0.0], [0.0]
        self._log.append(mine)
        while True:
            now = time.monotonic()
            mine[0] = max(now, self._closed_until, before[0] + self._window if full else now)
            if mine[0] <= now:
                most = self._log.maxlen
                return most - sum(each[0] > now - self._window for each in self._log) if most else None
            await asyncio.sleep(mine[0] - now)

    async def hold(self, seconds: float) -> None:
        """Let no call leave for so long: the vendor asked for it."""
        self._closed_until = max(self._closed_until, time.monotonic() + seconds)

    async def refuse(self, seconds: float, why: str) -> None:
        """Nothing follows: who asks remembers it."""

    async def seen(self, used: int) -> None:
        """Nothing follows: calls are counted here."""


class Counted(Pace):
    """The vendor counts, and says how much was used: near `most` no call leaves until its clock minute is over."""

    def __init__(self, most: int) -> None:
        super().__init__(0)
        self._most = most

    async def seen(self, used: int) -> None:
        """Hold all calls for the rest of the minute if the weight is used up."""
        if used >= self._most:
            await self.hold(60 - time.time() % 60)


def alone(allowance: Allowance) -> Pace:
    """The allowance as kept by this process for itself."""
    return Counted(allowance.most) if allowance.by_the_clock else Pace(allowance.most, allowance.window)
