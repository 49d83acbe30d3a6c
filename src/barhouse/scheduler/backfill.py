"""The daily backfill as an object of a script's own; `barhouse up` runs the same."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from itertools import groupby
from typing import Any

from pydantic import SecretStr

from barhouse import config
from barhouse.config import Settings
from barhouse.flow.health import health_run, room
from barhouse.flow.scheduling import Timetable, timetable
from barhouse.flow.track import earliest, named, track
from barhouse.flow.warehouse import opened
from barhouse.model import Timeframe
from barhouse.scheduler.engine import Engine
from barhouse.store import instruments, quotas, schedules
from barhouse.store.postgres import Database

SEEN = ("timestamp", "stale_symbols", "failed_symbols", "anomalies_detected", "alerts_triggered")

_latest: Settings | None = None
"""The settings of the scheduler that this process made last: its warehouse is the one that is meant."""


class PolygonClient:
    """How a key of Polygon fares today, counted over all processes that use it."""

    def __init__(self, url: str, key: str) -> None:
        self._url = url
        self._holder = sha256(key.encode()).hexdigest()

    @property
    def total_requests(self) -> int:
        """Calls that left today, UTC."""
        return self._of_today()[0]

    @property
    def rate_limited_count(self) -> int:
        """How many of them were too many (429)."""
        return self._of_today()[1]

    def _of_today(self) -> tuple[int, int]:
        with Database(self._url) as db, db.connection() as connection:
            return quotas.of_today(connection, "polygon", self._holder)


class AutoBackfillScheduler:
    """Brings everything tracked up to date daily, beside whatever the script does.

    `symbols` are tracked in days, and nothing else is fetched; left out, all that is tracked is. Two processes with the
    same database fire each schedule once: the settings of the one that leads count.
    """

    def __init__(
        self,
        polygon_api_key: str | None,
        database_url: str | None,
        symbols: Iterable[str] | None = None,
        schedule_hour: int = 2,
        schedule_minute: int = 0,
        enrichment_enabled: bool = False,
        enrichment_hour: int = 1,
        enrichment_minute: int = 30,
        parallel_backfill: bool = True,
        max_concurrent_symbols: int = 3,
    ) -> None:
        global _latest
        self.symbols = list(dict.fromkeys(symbols or ()))
        told = {
            "polygon_api_key": SecretStr(polygon_api_key) if polygon_api_key else None,
            "database_url": SecretStr(database_url) if database_url else None,
            "backfill_enabled": True,
            "backfill_schedule_hour": schedule_hour,
            "backfill_schedule_minute": schedule_minute,
            "enrichment_enabled": enrichment_enabled,
            "enrichment_schedule_hour": enrichment_hour,
            "enrichment_schedule_minute": enrichment_minute,
            "parallel_backfill": parallel_backfill,
            "max_concurrent_symbols": max_concurrent_symbols,
        }
        settings = Settings.model_validate({**config.settings().model_dump(), **told})
        self._engine = Engine(settings)
        self._stack: ExitStack | None = None
        self._db: Database | None = None
        self._key = polygon_api_key or ""
        _latest = settings

    @property
    def max_concurrent_symbols(self) -> int:
        """How many series are fetched at once; a change holds from the next one on."""
        return self._engine.most

    @max_concurrent_symbols.setter
    def max_concurrent_symbols(self, most: int) -> None:
        self._engine.most = most

    @property
    def is_running(self) -> bool:
        """Whether it was started, and not stopped since."""
        return self._engine.is_running

    @property
    def polygon_client(self) -> PolygonClient:
        """How the key fares: `rate_limited_count / total_requests` is the share of 429."""
        return PolygonClient(self._warehouse().url, self._key)

    def start(self) -> None:
        """Fire schedules and do what they ask for, in threads of their own, until `stop`."""
        db = self._warehouse()
        if self.symbols:
            meant, now = [named(db, symbol, None) for symbol in self.symbols], datetime.now(UTC)
            with db.connection() as connection:
                known = {each.series.instrument for each in instruments.tracked(connection)}
            track(db, [each for each in meant if each not in known], [Timeframe.D1], earliest(Timeframe.D1, now))
        self._engine.start(db, self._table())

    def stop(self) -> None:
        """End; what was in hand goes on elsewhere, or at the next start."""
        self._engine.stop()
        stack, self._stack, self._db = self._stack, None, None
        if stack:
            stack.close()

    async def _health_monitoring_job(self) -> dict[str, Any]:
        """See how the warehouse is.

        `timestamp, stale_symbols, failed_symbols, anomalies_detected, alerts_triggered`
        """
        settings, db = self._engine.settings, self._warehouse()
        told = await asyncio.to_thread(health_run, db, data_dir=room(settings), rules=settings.alert_rules)
        return {name: told[name] for name in SEEN}

    async def _load_symbols_from_db(self) -> list[tuple[str, str, list[str]]]:
        """What is tracked: symbol, asset class, timeframes."""
        return await asyncio.to_thread(_tracked, self._warehouse())

    def _table(self) -> Timetable:
        return replace(timetable(self._engine.settings), symbols=frozenset(self.symbols))

    def _warehouse(self) -> Database:
        if self._db is None:
            self._stack = ExitStack()
            self._db = self._stack.enter_context(opened(self._engine.settings))
        return self._db


def _tracked(db: Database) -> list[tuple[str, str, list[str]]]:
    with db.connection() as connection:
        every = [each.series for each in instruments.tracked(connection)]
    own = groupby(every, key=lambda series: (series.instrument.symbol, series.instrument.asset_class.value))
    return [(symbol, kind, [each.timeframe.value for each in group]) for (symbol, kind), group in own]


def get_last_backfill_result() -> dict[str, Any] | None:
    """What the last daily backfill came to, whichever process did it: None before the first one has ended.

    `success, failed` (symbols), `total_records, timestamp, symbols_processed`
    """
    with opened(_latest or config.settings()) as db, db.connection() as connection:
        return schedules.last_backfill(connection)


def get_last_backfill_time() -> datetime | None:
    """When the last daily backfill ended; None before the first one has."""
    told = get_last_backfill_result()
    return told["timestamp"] if told else None
