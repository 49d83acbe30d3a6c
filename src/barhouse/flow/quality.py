"""How good the data are, day by day, and what is wrong with them: for those who ask."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from barhouse.errors import InvalidParameter, UnknownRecord
from barhouse.flow.instruments import find
from barhouse.flow.wording import legible
from barhouse.model import AssetClass, Instrument, Series
from barhouse.store import anomalies, quality
from barhouse.store.anomalies import Wanted
from barhouse.store.postgres import Database
from barhouse.store.quality import Scored

FETCHES = 20
"""Fetches that the quality of an instrument is told with."""


def data_quality(
    db: Database, symbol: str, days: int = 7, asset_class: AssetClass | None = None, *, now: datetime | None = None
) -> dict[str, Any]:
    """How good the data of a symbol were in the last days, and its latest fetches, as `GET data/quality` tells it.

    UnknownSymbol (404), AmbiguousSymbol (409).
    """
    now = now or datetime.now(UTC)
    instrument = find(db, symbol, asset_class)
    with db.connection() as connection:
        daily = quality.days(connection, instrument, (now - timedelta(days=days - 1)).date())
        fetches = quality.fetches(connection, instrument, FETCHES)
    return {
        "symbol": instrument.symbol,
        "asset_class": instrument.asset_class,
        "period_days": days,
        "summary": summary(daily),
        "daily_metrics": daily,
        "recent_fetch_logs": fetches,
        "timestamp": now,
    }


def summary(daily: list[dict[str, Any]]) -> dict[str, Any]:
    """The days together: their means weighted by records, unknown where there is none; their counts added up."""
    records = sum(day["total_records"] for day in daily)
    validated = sum(day["validated_records"] for day in daily)
    scored = [(day["avg_quality_score"], day["total_records"]) for day in daily if day["avg_quality_score"] is not None]
    weight = sum(count for _, count in scored)
    return {
        "avg_validation_rate": round(100 * validated / records, 2) if records else None,
        "avg_quality_score": round(sum(score * count for score, count in scored) / weight, 4) if weight else None,
        "total_gaps_detected": sum(day["gaps_detected"] for day in daily),
        "total_anomalies": sum(day["anomalies_detected"] for day in daily),
    }


def quality_overview(
    db: Database, instrument: Instrument | None = None, since: date | None = None
) -> list[dict[str, Any]]:
    """One instrument or all: their days from `since` on put together, and how much of everything is wrong by now.

    `symbol, asset_class, days, records, validated, score, completeness, gaps, outliers, duplicates, stale, others`
    """
    with db.connection() as connection:
        return quality.overview(connection, instrument.number if instrument else None, since)


def corrections(db: Database, series: Series, since: datetime) -> list[datetime]:
    """The times of the bars of a series, from `since` on, that were ever corrected."""
    with db.connection() as connection:
        return quality.corrected(connection, series, since)


def listed_anomalies(db: Database, wanted: Wanted, limit: int = 100) -> list[dict[str, Any]]:
    """The anomalies that are asked for, with their evidence, the latest first."""
    with db.connection() as connection:
        return anomalies.listed(connection, wanted, limit)


def acknowledge_anomaly(db: Database, number: int, author: str) -> dict[str, Any]:
    """The anomaly of that number, which `author` has seen now; it is resolved when its cause is gone.

    UnknownRecord (404). Who saw it first stays noted, and what is resolved stays so.
    """
    if not author.strip():
        raise InvalidParameter("author: say who has seen it")
    legible(author=author)
    with db.transaction() as connection:
        anomalies.acknowledge(connection, [number], author.strip())
        known = anomalies.one(connection, number)
    if known is None:
        raise UnknownRecord(f"There is no anomaly {number}; GET /api/v1/data/anomalies lists them")
    return known


def acknowledge_anomalies(db: Database, numbers: Sequence[int], author: str, note: str | None = None) -> int:
    """How many of these anomalies `author` is the first to have seen, with a `note` that says why they may stay.

    InvalidParameter (422) for words that no database keeps.
    """
    legible(author=author, **({} if note is None else {"note": note}))
    with db.transaction() as connection:
        return anomalies.acknowledge(connection, numbers, author, note)


def counted_anomalies(db: Database) -> list[dict[str, Any]]:
    """How many (`found`) are not resolved of each `anomaly_type, severity, resolution_status`, the worst first."""
    with db.connection() as connection:
        return anomalies.counted(connection)


def scores(db: Database, wanted: Scored) -> list[dict[str, Any]]:
    """A page of series with how good their newest bars are, and which way that goes; `found` counts them all.

    `symbol, asset_class, exchange, timeframe, bars, last_bar, score` (mean of the newest bars), `worst, course` (means
    of parts of them, oldest first), `faults` and, of the instrument within 7 days, `validation_rate` and
    `completeness`.
    """
    with db.connection() as connection:
        return quality.scores(connection, wanted)
