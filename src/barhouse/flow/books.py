"""What a run writes down of the series and instruments that it has brought."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import structlog

from barhouse.flow import condition, freshness
from barhouse.flow.backfill import Outcome
from barhouse.model import Instrument, Span, instant
from barhouse.store import enrichment
from barhouse.store.postgres import Database
from barhouse.store.runs import Told

log = structlog.get_logger()

NAMED = 3
"""So many missing spans are named in an error."""


def error(outcome: Outcome) -> str | None:
    """Why a series failed: what is still missing of it, and what its sources said; None if all was read."""
    if not outcome.missing:
        return None
    spans = ", ".join(_span(span) for span in outcome.missing[:NAMED])
    more = f" and {len(outcome.missing) - NAMED} more" if len(outcome.missing) > NAMED else ""
    said = f": {outcome.errors[-1]}" if outcome.errors else ""
    return f"{spans}{more} could not be read{said}"


def _span(span: Span) -> str:
    return f"{instant(span.start)[:10]} to {instant(span.end)[:10]}"


def say(outcome: Outcome, failed: str | None) -> None:
    """Log how a series has ended."""
    counts = {"inserted": outcome.inserted, "updated": outcome.updated, "quarantined": outcome.quarantined}
    if failed is None:
        log.info("enrichment_completed", series=str(outcome.series), **counts)
    else:
        log.warning("enrichment_failed", series=str(outcome.series), **counts, error=failed)


def told(outcome: Outcome, failed: str | None, ended: datetime) -> Told:
    """How a series has fared in a run."""
    return Told(
        outcome.series,
        "completed" if failed is None else "failed",
        processed=sum(fetch.fetched for fetch in outcome.fetches),
        inserted=outcome.inserted,
        features=max((fetch.features for fetch in outcome.fetches), default=0),
        error=failed,
        completed_at=ended,
    )


def settle(db: Database, ended: Collection[Instrument], now: datetime) -> None:
    """Write down how instruments stand of which series are through: the state of their data, how fresh the features."""
    keys = [instrument.number for instrument in ended]
    with db.transaction() as connection:
        own = enrichment.held(connection, keys)
        stand = condition.standings(db, connection, keys, now)
        enrichment.keep(connection, {key: (stand[key], own[key]) for key in keys})
    freshness.settle(db, keys, now)
