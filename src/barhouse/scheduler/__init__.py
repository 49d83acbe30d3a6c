"""Who does what when: the clock, the workers of the queue, and both as objects."""

from __future__ import annotations

from barhouse.scheduler.backfill import AutoBackfillScheduler, get_last_backfill_result, get_last_backfill_time
from barhouse.scheduler.enrichment import EnrichmentScheduler

__all__ = ["AutoBackfillScheduler", "EnrichmentScheduler", "get_last_backfill_result", "get_last_backfill_time"]
