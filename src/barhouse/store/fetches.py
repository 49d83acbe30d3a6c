"""The log of fetches: what was asked of whom, how long it took, what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import dict_row

from barhouse.model import Series, Span
from barhouse.store.queries import queries

query = queries("fetches")


@dataclass(frozen=True, slots=True)
class Fetch:
    """One fetch and its true counts: inserted + updated + unchanged + quarantined = what came, less exact repeats."""

    id: int
    series: Series
    source: str
    span: Span
    calls: int = 1
    fetched: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    quarantined: int = 0
    response_ms: float | None = None
    quota: int | None = None
    error: str | None = None
    error_class: str | None = None
    quality: float | None = None
    """How good the answer was, from 0 to 1; None where there was none to judge."""
    compared_with: str | None = None
    """Whose answer for the same span was weighed against it, and how good that was."""
    compared_score: float | None = None
    stamped_at: datetime | None = None
    features: int = 0
    """How many features came to a value in the bars that hang on it."""
    execution: UUID | None = None
    """What it was read for, None where nobody keeps books of it."""


def reserve(connection: Connection, count: int) -> list[int]:
    """Numbers for `count` fetches, to be borne by their bars."""
    return [row[0] for row in connection.execute(query.reserve, {"count": count})]


def log(connection: Connection, fetches: Sequence[Fetch]) -> None:
    """Write down what came of some fetches."""
    with connection.cursor() as cursor:
        cursor.executemany(query.log, [_row(fetch) for fetch in fetches])


def by_source(connection: Connection, since: datetime) -> list[dict[str, Any]]:
    """How each source fared since an instant that was asked since then.

    `source, fetches, failed, bars, median_ms, p95_ms, last_at, failed_at, error` (the latest)
    """
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query.by_source, {"since": since}).fetchall()


def _row(fetch: Fetch) -> dict[str, object]:
    return {
        "id": fetch.id,
        "symbol": fetch.series.instrument.symbol,
        "asset_class": fetch.series.instrument.asset_class,
        "timeframe": fetch.series.timeframe,
        "source": fetch.source,
        "start": fetch.span.start,
        "end": fetch.span.end,
        "calls": fetch.calls,
        "fetched": fetch.fetched,
        "inserted": fetch.inserted,
        "updated": fetch.updated,
        "unchanged": fetch.unchanged,
        "quarantined": fetch.quarantined,
        "success": fetch.error is None,
        "response_ms": fetch.response_ms,
        "quota": fetch.quota,
        "error": fetch.error,
        "error_class": fetch.error_class,
        "quality": fetch.quality,
        "compared_with": fetch.compared_with,
        "compared_score": fetch.compared_score,
        "stamped_at": fetch.stamped_at,
        "execution": fetch.execution,
    }
