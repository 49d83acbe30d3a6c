"""Who calls, known for a moment without a question to the database."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from barhouse.api.together import Together
from barhouse.store.keys import Known

FRESH = 3.0
"""Seconds that an answer of the database is believed; while somebody calls it is asked every second."""

IDLE = 10.0
"""Seconds after which nobody asks any more about a caller who is silent, and between two notes of a last use."""

Ask = Callable[[Sequence[bytes], Mapping[int, datetime]], Awaitable[tuple[bool, dict[bytes, Known]]]]
"""Tells whether any key exists, and whom hashes stand for; takes when keys were used last."""


@dataclass(slots=True)
class Held:
    """A caller, when the database said so, and when there was a call."""

    known: Known
    said: float
    called: float


class Callers:
    """The callers of this process. Only those who are good are held, so that nobody fills the memory with others."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._held: dict[bytes, Held] = {}
        self._exist, self._said, self._called = True, -FRESH, -IDLE
        self._used: dict[int, float] = {}
        self._noted = -IDLE
        self._forgotten = 0
        self._together: Together[bytes] = Together(self._read)

    async def exist(self) -> bool:
        """Whether any key exists."""
        self._called = now = time.monotonic()
        if now - self._said > FRESH:
            await self._together.asked(())
        return self._exist

    async def who(self, digest: bytes) -> Known | None:
        """Whom the hash of a key or cookie stands for; None for nobody, or a key that is good no more."""
        now = time.monotonic()
        held = self._held.get(digest)
        if held is None or now - held.said > FRESH:
            await self._together.asked([digest])
            held = self._held.get(digest)
        at = time.time()
        if held is None or (held.known.ends is not None and held.known.ends <= at):
            return None
        held.called = now
        self._used[held.known.key_id] = at
        return held.known

    def forget(self) -> None:
        """Believe nothing of what was known: keys were changed just now. May be called from any thread."""
        self._forgotten += 1
        self._held = {}
        self._said = -FRESH

    async def renew(self, *, note: bool = False) -> None:
        """Ask anew about those who called lately; `note` also when keys were used last, as is done by itself."""
        now = time.monotonic()
        held = {digest: each for digest, each in self._held.items() if now - each.called < IDLE}
        self._held = held
        if note:
            self._noted = -IDLE
        if held or (note and self._used) or now - self._called < IDLE:
            await self._together.asked(held)

    async def _read(self, digests: set[bytes]) -> None:
        forgotten = -1
        while forgotten != self._forgotten:
            forgotten, begun = self._forgotten, time.monotonic()
            used = self._used if begun - self._noted > IDLE else {}
            at = {key: datetime.fromtimestamp(when, UTC) for key, when in used.items()}
            exist, found = await self._ask(list(digests), at)
            if used:
                self._noted = begun
                self._used = {key: when for key, when in self._used.items() if when != used.get(key)}
        self._exist, self._said = exist, begun
        self._hold(digests, found, begun)

    def _hold(self, digests: set[bytes], found: Mapping[bytes, Known], begun: float) -> None:
        for digest in digests:
            if digest in found:
                called = self._held[digest].called if digest in self._held else begun
                self._held[digest] = Held(found[digest], begun, called)
            else:
                self._held.pop(digest, None)
