"""How often a caller may call: counted here, settled with all other processes in the database."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from barhouse.api.together import Together
from barhouse.store.usage import Granted, Wish

WINDOW = 60
"""Seconds in which calls count."""

SHARE = 20
"""A process takes that part of a limit into its purse at a time, and gives back each second what is left of it."""

USED = 4.0
"""Seconds after a call in which a purse is filled anew; longer than anybody waits for that."""

Settle = Callable[[Sequence[Wish]], Awaitable[list[Granted]]]


@dataclass(slots=True, eq=False)
class Purse:
    """What a caller may still do here without a question: `calls`, granted in `second` and counted already."""

    subject: str
    most: int
    calls: int = 0
    second: int = 0
    beyond: int = 0
    resets: float = 0.0
    """When the oldest call that counts is forgotten."""
    empty_until: float = 0.0
    called: float = 0.0

    @property
    def remaining(self) -> int:
        """How many calls are left, as far as is known here."""
        return self.calls + self.beyond

    @property
    def reset(self) -> int:
        """Seconds until there are more."""
        return max(1, min(WINDOW, round(self.resets - time.monotonic())))


class Limits:
    """The purses of the callers of this process."""

    def __init__(self, settle: Settle) -> None:
        self._ask = settle
        self._purses: dict[str, Purse] = {}
        self._due: set[Purse] = set()
        self._together: Together[Purse] = Together(self._settle)

    async def take(self, subject: str, most: int) -> tuple[bool, Purse]:
        """Whether somebody who may make `most` calls a minute may make one now, and the purse that it is taken from."""
        purse = self._purses.setdefault(subject, Purse(subject, most))
        purse.most, purse.called = most, time.monotonic()
        while not purse.calls:
            if purse.called < purse.empty_until:
                return False, purse
            await self._together.asked([purse])
        purse.calls -= 1
        return True, purse

    async def renew(self) -> None:
        """Give back what was not used, and take anew for those who called lately."""
        now = time.monotonic()
        self._purses = {name: each for name, each in self._purses.items() if each.calls or now - each.called < WINDOW}
        self._due = {each for each in self._purses.values() if each.calls}
        if self._due:
            await self._together.asked(self._due)

    async def leave(self) -> None:
        """Give everything back."""
        for purse in self._purses.values():
            purse.called = 0.0
        await self.renew()

    async def _settle(self, purses: set[Purse]) -> None:
        # A purse that was filled a moment ago is left to those who waited for it
        asked = {purse.subject: purse for purse in purses if not purse.calls or purse in self._due}
        self._due = set()
        if not asked:
            return
        wishes = [_wish(purse) for purse in asked.values()]
        wanted = {wish.subject for wish in wishes if wish.wanted}
        granted = await self._ask(wishes)
        now = time.monotonic()
        for each in granted:
            purse = asked[each.subject]
            purse.second, purse.calls, purse.beyond = each.second, each.calls, each.beyond
            purse.resets = now + each.wait
            if each.subject in wanted and not each.calls:
                purse.empty_until = now + min(1, each.wait)


def _wish(purse: Purse) -> Wish:
    """What a purse gives back and wants: nobody may take from it until that is settled."""
    unused, purse.calls = purse.calls, 0
    is_used = time.monotonic() - purse.called < USED
    wanted = max(1, purse.most // SHARE) if is_used else 0
    return Wish(purse.subject, purse.most, wanted, purse.second, unused)
