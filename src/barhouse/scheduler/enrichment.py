"""Scheduled enrichment as an object of a script's own; `barhouse up` runs the same."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any

from barhouse import config as of_process
from barhouse.config import Settings
from barhouse.flow import enrichment, jobs, scheduling, triggers
from barhouse.model import AssetClass
from barhouse.scheduler.engine import Engine
from barhouse.scheduler.worker import working
from barhouse.store.postgres import Database

LOOK = 0.2
"""Seconds between two looks at a job that is waited for."""

ENDED = ("completed", "failed")


class EnrichmentScheduler:
    """Enriches everything tracked daily, beside whatever the script does, and on demand.

    `config` are settings, or a mapping of their names; what is left out is as the process has it. Pausing holds for all
    processes with this database, and outlives them.
    """

    def __init__(
        self,
        db_service: Database,
        config: Settings | Mapping[str, Any] | None = None,
        enrichment_hour: int = 1,
        enrichment_minute: int = 30,
        max_concurrent_symbols: int = 5,
        max_retries: int = 3,
        enable_daily_enrichment: bool = True,
    ) -> None:
        given = config.model_dump() if isinstance(config, Settings) else dict(config or {})
        own = {
            "enrichment_enabled": enable_daily_enrichment,
            "enrichment_schedule_hour": enrichment_hour,
            "enrichment_schedule_minute": enrichment_minute,
            "max_concurrent_symbols": max_concurrent_symbols,
        }
        settings = Settings.model_validate({**of_process.settings().model_dump(), **given, **own})
        self.db = db_service
        self.max_retries = max_retries
        self._engine = Engine(settings, max_retries)

    @property
    def max_concurrent_symbols(self) -> int:
        """How many series are fetched at once; a change holds from the next one on."""
        return self._engine.most

    @max_concurrent_symbols.setter
    def max_concurrent_symbols(self, most: int) -> None:
        self._engine.most = most

    def start(self) -> None:
        """Fire schedules and do what they ask for, in threads of their own, until `stop`."""
        self._engine.start(self.db)

    def stop(self) -> None:
        """End; what was in hand goes on elsewhere, or at the next start."""
        self._engine.stop()

    def pause(self) -> None:
        """Let no scheduled enrichment begin, in any process; what is asked for by hand goes on."""
        scheduling.pause_enrichment(self.db, "EnrichmentScheduler")

    def resume(self) -> None:
        """Let scheduled enrichment go on."""
        scheduling.resume_enrichment(self.db, "EnrichmentScheduler")

    async def trigger_enrichment_now(
        self, symbols: Sequence[str] | None = None, asset_class: str | None = None
    ) -> dict[str, Any]:
        """Enrich some symbols, or all (of a class), and return when that is done.

        An item of `history`, with `processing_symbols` and `errors`.
        """
        kind = None if asset_class is None else AssetClass.of(asset_class)
        asked = await asyncio.to_thread(
            triggers.trigger, self.db, None, list(symbols or ()), kind, [], datetime.now(UTC), by="EnrichmentScheduler"
        )
        told = await asyncio.to_thread(self._followed, asked["job_id"])
        item = await asyncio.to_thread(enrichment.history_item, self.db, asked["job_id"])
        failed = [task for task in told["tasks"] if task["status"] == "failed"]
        return item | {
            "processing_symbols": sorted({task["symbol"] for task in told["tasks"]}),
            "errors": [f"{each['symbol']} {each['timeframe']}: {each['error_message']}" for each in failed],
        }

    def _followed(self, job_id: str) -> jobs.Job:
        """A job at its end; where this scheduler was not started, it is done here meanwhile."""
        with nullcontext() if self._engine.is_running else working(self.db, self._engine.settings):
            while (told := jobs.job(self.db, job_id))["status"] not in ENDED:
                time.sleep(LOOK)
        return told

    async def get_scheduler_status(self) -> dict[str, Any]:
        """Whether this one was started, whether any scheduler runs, when all was enriched last, what came of it.

        `running, scheduler_running, last_enrichment_time, last_enrichment_result, config`
        """
        stands = await asyncio.to_thread(scheduling.standing, self.db)
        last = next((each for each in await asyncio.to_thread(enrichment.history, self.db, 10) if _is_over(each)), None)
        settings = self._engine.settings
        return {
            "running": self._engine.is_running,
            "scheduler_running": stands.running,
            "last_enrichment_time": last["completed_at"] if last else None,
            "last_enrichment_result": last,
            "config": {
                "enrichment_enabled": settings.enrichment_enabled,
                "enrichment_hour": settings.enrichment_schedule_hour,
                "enrichment_minute": settings.enrichment_schedule_minute,
                "max_concurrent_symbols": self.max_concurrent_symbols,
                "max_retries": self.max_retries,
                "paused": scheduling.is_paused(stands),
            },
        }

    async def get_job_status(self, symbol: str) -> dict[str, Any]:
        """How a symbol stands in the newest job that has it."""
        return await asyncio.to_thread(enrichment.job_status, self.db, symbol)

    async def get_enrichment_metrics(self) -> dict[str, Any]:
        """How fetching and computing fared within a day, and how good the data are."""
        return await asyncio.to_thread(enrichment.metrics, self.db)


def _is_over(item: Mapping[str, Any]) -> bool:
    return item["status"] in ENDED
