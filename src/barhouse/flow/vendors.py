"""The vendors as all processes on one database share them: what a key or an address allows is theirs together."""

from __future__ import annotations

import asyncio
from functools import partial
from uuid import uuid4

import anyio

from barhouse.alerts.rules import DEFAULT
from barhouse.config import Settings
from barhouse.config.parts import AlertRules
from barhouse.errors import RateLimited, Unauthorized
from barhouse.flow import alerting
from barhouse.resilience.pace import Allowance
from barhouse.sources import configured
from barhouse.sources.base import Source
from barhouse.store import quotas
from barhouse.store.postgres import Database


def vendors(db: Database, settings: Settings) -> dict[str, Source]:
    """The sources that these settings open, by name; their quotas are kept with all others on `db`."""
    return configured(settings, partial(Shared, db, rules=settings.alert_rules))


class Shared:
    """Lets calls leave so that all processes on `db` together keep to an allowance, in the order of asking.

    DatabaseUnavailable without a database: no call leaves uncounted. A call that is cancelled while it waits counts.
    What the vendor refuses one process, its key or address, no other tries: Unauthorized until then.
    """

    def __init__(self, db: Database, allowance: Allowance, rules: AlertRules = DEFAULT) -> None:
        self._db = db
        self._allowance = allowance
        self._rules = rules
        self._used = 0

    async def turn(self, weight: int = 1) -> int | None:
        """Wait until the next call, which costs `weight`, may leave; how many may at once after it, None: any.

        RateLimited where the vendor wants long quiet.
        """
        ticket = uuid4()
        ask = partial(quotas.ask, self._db, self._allowance, ticket, weight=weight)
        told = await anyio.to_thread.run_sync(ask)
        if told.refused:
            await anyio.to_thread.run_sync(quotas.withdraw, self._db, ticket)
            raise self._refusal(told)
        while told.wait > 0:
            if told.held > self._allowance.patience:
                await anyio.to_thread.run_sync(quotas.withdraw, self._db, ticket)
                source = self._allowance.source
                raise RateLimited(source, f"it wants no calls for {told.held:.0f} s", told.held)
            await asyncio.sleep(told.wait)
            told = await anyio.to_thread.run_sync(partial(ask, first=False))
        self._used = told.used
        return max(self._allowance.most - told.used, 0) if self._allowance.most else None

    async def hold(self, seconds: float) -> None:
        """Let no call of any process leave for so long: the vendor asked for it."""
        await anyio.to_thread.run_sync(quotas.hold, self._db, self._allowance, seconds)

    async def refuse(self, seconds: float, why: str) -> None:
        """Let nobody ask for so long, and people know at once: the vendor refused the key, or the address."""
        await anyio.to_thread.run_sync(self._refuse, seconds, why)

    def _refuse(self, seconds: float, why: str) -> None:
        with self._db.transaction() as connection:
            quotas.refuse(connection, self._allowance, seconds, why)
            decision = alerting.at_once(connection, "key_refused", self._allowance.source, why, self._rules)
        alerting.announce(decision)

    def _refusal(self, told: quotas.Told) -> Unauthorized:
        """The vendor's own words, and how long they hold."""
        hours = f"{told.refused / 3600:.1f} h"
        closed = f"{told.why}; not asked for {hours}, or until its key is another, or with --refresh"
        refusal = Unauthorized(self._allowance.source, closed)
        refusal.retry_after = told.refused
        return refusal

    async def seen(self, used: int) -> None:
        """Take note of the weight that the vendor itself counted in this minute, where it is more than ours."""
        if used > self._used:
            await anyio.to_thread.run_sync(quotas.correct, self._db, self._allowance, used)
