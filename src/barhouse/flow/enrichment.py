"""How enrichment fares: of one symbol, of all that is fetched and computed, and of the jobs that did it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from barhouse.errors import InvalidParameter, UnknownRecord, UnknownSymbol
from barhouse.flow.condition import standings
from barhouse.flow.instruments import find
from barhouse.model import AssetClass, Instrument
from barhouse.store import enrichment, outcomes, pipeline
from barhouse.store.enrichment import Status
from barhouse.store.executions import known
from barhouse.store.postgres import Database

DAY = timedelta(days=1)
WEEK = 7
"""Days of which the quality is told, today's included."""


def status(
    db: Database, symbol: str, asset_class: AssetClass | None = None, *, now: datetime | None = None
) -> dict[str, Any]:
    """How a symbol stands, as `GET enrichment/status` tells it; one that nobody tracks is `not_enriched`.

    AmbiguousSymbol (409).
    """
    now = now or datetime.now(UTC)
    instrument = _meant(db, symbol, asset_class)
    if instrument.key is None:
        return _told(instrument, Status.NOT_ENRICHED, None, None, now)
    with db.connection() as connection:
        kept = enrichment.kept(connection, instrument.number)
        stands = standings(db, connection, [instrument.number], now)[instrument.number]
    found = Status.of(stands.error, kept["records_available"], stands.overdue, kept["quality_score"])
    return _told(instrument, found, stands.age, stands.error, now) | kept


def _told(
    instrument: Instrument, status: Status, age: float | None, error: str | None, now: datetime
) -> dict[str, Any]:
    return {
        "symbol": instrument.symbol,
        "asset_class": instrument.asset_class,
        "status": status,
        "last_enrichment_time": None,
        "data_age_seconds": age,
        "records_available": 0,
        "quality_score": None,
        "validation_rate": None,
        "timeframes_available": [],
        "error_message": error,
        "timestamp": now,
    }


def metrics(db: Database, *, now: datetime | None = None) -> dict[str, Any]:
    """How fetching, computing and the quality of the data fared lately, as `GET enrichment/dashboard/metrics` tells it.

    `fetch_pipeline` and `compute_pipeline` of 24 hours, `data_quality` of 7 days, `timestamp`; rates are in percent.
    """
    now = now or datetime.now(UTC)
    with db.connection() as connection:
        return {
            "fetch_pipeline": pipeline.fetches(connection, now - DAY),
            "compute_pipeline": pipeline.computations(connection, now - DAY),
            "data_quality": pipeline.quality(connection, (now - (WEEK - 1) * DAY).date()),
            "timestamp": now,
        }


def progress(db: Database) -> dict[str, int]:
    """How many series stand how by their latest execution: `in_progress, completed, failed, pending`."""
    with db.connection() as connection:
        return pipeline.progress(connection)


def job_status(db: Database, symbol: str, asset_class: str | None = None) -> dict[str, Any]:
    """How a symbol stands in the newest job that has it, as `GET enrichment/dashboard/job-status` tells it.

    `status` is pending, in_progress, retry (waiting to be taken up again), completed, failed or not_found.
    InvalidAssetClass (400), AmbiguousSymbol (409).
    """
    instrument = _meant(db, symbol, None if asset_class is None else AssetClass.of(asset_class))
    with db.connection() as connection:
        found = outcomes.of_symbol(connection, instrument)
    nothing = {"status": "not_found", "retry_count": 0, "last_error": None, "started_at": None, "completed_at": None}
    named = {"symbol": instrument.symbol, "asset_class": instrument.asset_class}
    return named | (found or nothing) | {"timestamp": datetime.now(UTC)}


def history(db: Database, limit: int = 10) -> list[dict[str, Any]]:
    """What came of the latest enrichments (1 to 100), newest first, as `GET enrichment/history` tells it.

    `job_id, started_at, completed_at, duration_seconds, status, successful, failed, retried, total_records_inserted,
    total_records_updated`; counted are symbols, of which each fails with the first of its series.
    """
    if not 1 <= limit <= 100:
        raise InvalidParameter(f"limit: {limit} is not within 1 to 100")
    with db.connection() as connection:
        return outcomes.history(connection, limit)


def history_item(db: Database, job_id: str) -> dict[str, Any]:
    """What came of a job of any kind, as `history` tells it; UnknownRecord (404) for an id that nobody knows."""
    if number := known(job_id):
        with db.connection() as connection:
            for item in outcomes.history(connection, 1, number):
                return item
    raise UnknownRecord(f"No job has the id {job_id!r}; `barhouse jobs list` shows them")


def _meant(db: Database, symbol: str, asset_class: AssetClass | None) -> Instrument:
    """The instrument that is meant, without a number where nobody tracks it."""
    try:
        return find(db, symbol, asset_class)
    except UnknownSymbol:
        return Instrument(symbol, asset_class or AssetClass.STOCK)
