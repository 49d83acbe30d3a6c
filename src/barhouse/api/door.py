"""The door of the API: who stands before it, and whether he may come in just now."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from typing import Any, TypeVar

import structlog
from anyio import CapacityLimiter, to_thread

from barhouse.api.callers import Callers
from barhouse.api.guard import is_loopback
from barhouse.api.limits import Limits, Purse
from barhouse.api.together import PATIENCE
from barhouse.config import Settings
from barhouse.errors import DatabaseUnavailable, KeyNeeded, TooManyCalls
from barhouse.flow import keys
from barhouse.store import usage
from barhouse.store.keys import Known, Role, Tier
from barhouse.store.postgres import Database
from barhouse.store.usage import Granted, Wish

log = structlog.get_logger()

EVERY = 1.0
"""Seconds between two settlings with the database."""

MOST = 200
"""Bytes of the longest key that is looked at."""

A_MINUTE = 60
"""Settlings after which calls that count no more are forgotten."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: a key, or whoever is let in without one (`key_id` None)."""

    key_id: int | None
    name: str
    role: Role
    tier: Tier
    subject: str
    """Whose calls are counted together."""


class Door:
    """Knows the callers of an app, and how often each of them has called."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._listens_here, self._local = is_loopback(settings.host), {"": True}
        self._most = {Tier.FREE: settings.limits.free, Tier.STANDARD: settings.limits.standard}
        self._db: Database | None = None

    @asynccontextmanager
    async def over(self, database_url: str) -> AsyncIterator[None]:
        """Open with an own connection, so that no long answer keeps callers waiting; settle each second."""
        self._threads = CapacityLimiter(4)
        self._callers, self._limits = Callers(self._known), Limits(self._settled)
        with Database(database_url, timeout=PATIENCE, is_hasty=True) as self._db:
            settling = asyncio.create_task(self._settle())
            try:
                yield
            finally:
                settling.cancel()
                with suppress(asyncio.CancelledError):
                    await settling
                with suppress(DatabaseUnavailable):
                    await self._callers.renew(note=True)
                    await self._limits.leave()
                self._db = None

    async def named(self, key: bytes) -> Known | None:
        """Whom a key or cookie stands for; None for nobody."""
        self._require()
        return await self._callers.who(keys.digest(key)) if 0 < len(key) <= MOST else None

    async def is_open(self, scope: Mapping[str, Any]) -> bool:
        """Whether everybody may do everything: no key exists, and only this machine gets here, or it was said so."""
        self._require()
        return (self._settings.insecure or self._is_local(scope)) and not await self._callers.exist()

    async def caller(self, scope: Mapping[str, Any], key: bytes | None, cookie: bytes | None) -> Caller | None:
        """Who calls, None for somebody without a key; KeyNeeded (401) for a key that is not good."""
        if await self.is_open(scope):
            return Caller(None, "anyone", Role.ADMIN, Tier.UNLIMITED, "")
        given = cookie if key is None else key
        known = None if given is None else await self.named(given)
        if known is not None:
            return Caller(known.key_id, known.name, known.role, known.tier, f"key:{known.key_id}")
        if key is not None:
            raise KeyNeeded
        return None

    def passer_by(self, scope: Mapping[str, Any]) -> Caller | None:
        """Somebody without a key who may read, if that is set; the calls of one address are counted together."""
        if not self._settings.public_reads:
            return None
        return Caller(None, "public", Role.READ, Tier.FREE, f"address:{_network((scope.get('client') or ('',))[0])}")

    async def counted(self, caller: Caller) -> Purse | None:
        """The purse from which this call was taken, None for somebody without a limit; TooManyCalls (429)."""
        most = self._settings.limits.public if caller.key_id is None else self._most.get(caller.tier)
        if caller.tier == Tier.UNLIMITED or most is None:
            return None
        may, purse = await self._limits.take(caller.subject, most)
        if not may:
            raise TooManyCalls(most, purse.reset)
        return purse

    def forget(self) -> None:
        """Keys were changed just now: believe nothing of what was known."""
        self._callers.forget()

    def _require(self) -> None:
        if self._db is None:
            raise DatabaseUnavailable("The warehouse is not open yet")

    def _is_local(self, scope: Mapping[str, Any]) -> bool:
        """Whether a call came to an address that only this machine reaches, whatever the settings say."""
        server = scope.get("server")
        host = server[0] if server and server[0][:1] != "/" else ""
        if host not in self._local and len(self._local) < 100:
            self._local[host] = is_loopback(host)
        return self._listens_here and self._local.get(host, False)

    async def _settle(self) -> None:
        """Settle each second as long as somebody calls; an outage is told once."""
        is_away, since = False, 0
        while True:
            await asyncio.sleep(EVERY)
            since += 1
            try:
                await self._callers.renew()
                await self._limits.renew()
                if since >= A_MINUTE:
                    since = 0
                    await self._apart(_forget)
                is_away = False
            except DatabaseUnavailable as error:
                if not is_away:
                    log.warning("callers_unknown", error=str(error))
                is_away = True

    async def _known(self, hashes: Sequence[bytes], used: Mapping[int, datetime]) -> tuple[bool, dict[bytes, Known]]:
        return await self._apart(lambda db: keys.callers(db, hashes, used))

    async def _settled(self, wishes: Sequence[Wish]) -> list[Granted]:
        return await self._apart(lambda db: _settle(db, wishes))

    async def _apart(self, ask: Callable[[Database], T]) -> T:
        """Ask in a thread of the door's own; one whose server hangs is left behind."""
        db = self._db
        if db is None:
            raise DatabaseUnavailable("The warehouse is closing")
        return await to_thread.run_sync(lambda: ask(db), limiter=self._threads, abandon_on_cancel=True)


def _settle(db: Database, wishes: Sequence[Wish]) -> list[Granted]:
    with db.transaction() as connection:
        return usage.settle(connection, wishes)


def _forget(db: Database) -> None:
    with db.connection() as connection:
        usage.forget(connection)


def _network(address: str) -> str:
    """An address as its calls are counted: of IPv6 the half that one customer is given."""
    try:
        known = ip_address(address)
    except ValueError:
        return "?"
    return str(known) if known.version == 4 else str(ip_address(int(known) >> 64 << 64))
