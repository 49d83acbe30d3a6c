"""Where the time of a backfill goes: to the vendors, or to the database."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from barhouse.flow import sessions
from barhouse.flow.backfill import UNREAD
from barhouse.flow.batch import Batch
from barhouse.flow.ingest import keep, note
from barhouse.flow.plan import Piece, Wanted, plan
from barhouse.model import Series
from barhouse.sources import fallback
from barhouse.sources.base import Source
from barhouse.store.postgres import Database


@dataclass(slots=True)
class Spent:
    """What one series took; all times in seconds."""

    series: Series
    bars: int = 0
    calls: int = 0
    answering: float = 0.0
    """Until the vendors' answers were there, from the moment each call left."""
    asking: float = 0.0
    """The same with reading the answers, and with waits for quotas and before another attempt."""
    keeping: float = 0.0
    """Checks, features and the transactions."""
    failed: int = 0
    """Attempts that gave no answer."""


async def spent(
    db: Database, sources: Mapping[str, Source], wanted: Sequence[Wanted], now: datetime, *, refresh: bool = False
) -> list[Spent]:
    """Backfill what is wanted, one piece after the other so that no time counts twice; what each series took.

    Splits and dividends that do not come along with bars are not asked for.
    """
    found: dict[Series, Spent] = {}
    try:
        for piece in await asyncio.to_thread(plan, db, sources, wanted, now, refresh=refresh):
            await _bring(db, piece, now, found.setdefault(piece.series, Spent(piece.series)))
    finally:
        for source in sources.values():
            await source.close()
    return list(found.values())


async def _bring(db: Database, piece: Piece, now: datetime, of: Spent) -> None:
    """Read a piece and keep it, by the clock."""
    calendar = sessions.calendar(db, piece.series.instrument.exchange)
    began = time.perf_counter()
    attempts = await fallback.fetch(piece.series, piece.span, calendar, piece.sources, now)
    of.asking += time.perf_counter() - began
    delays = {source.name: source.delay for source in piece.sources}
    for attempt in attempts:
        if attempt.fetched is None:
            await asyncio.to_thread(note, db, piece.series, calendar, attempt, now)
            of.failed += attempt.state in UNREAD
            continue
        of.calls += attempt.fetched.calls
        of.answering += attempt.fetched.response_ms / 1000
        began = time.perf_counter()
        batch = Batch([attempt.fetched], calendar, delays[attempt.source])
        [fetch] = await asyncio.to_thread(keep, db, batch, now)
        of.keeping += time.perf_counter() - began
        of.bars += fetch.inserted + fetch.updated + fetch.unchanged
