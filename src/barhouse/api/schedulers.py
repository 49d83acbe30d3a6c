"""How the schedulers fare, and how fresh the features are that come of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from barhouse.api.deps import Stored
from barhouse.api.shapes import Instant
from barhouse.flow import freshness
from barhouse.store import runs

router = APIRouter(prefix="/api/v1/admin", tags=["schedulers"])

RunStatus = Literal["running", "completed", "completed_with_errors", "failed"]


class Execution(BaseModel):
    """A run, as far as it has come."""

    execution_id: str
    started_at: Instant
    completed_at: Instant | None = Field(description="null while it runs.")
    status: RunStatus
    successful_symbols: int
    failed_symbols: int


class Failure(BaseModel):
    """A series that failed."""

    symbol: str
    timeframe: str
    error: str
    failed_at: Instant


class SchedulerHealth(BaseModel):
    """How the schedulers are."""

    status: Literal["healthy", "degraded"]
    timestamp: Instant
    last_execution: Execution | None = Field(description="The latest run, running or not; null before the first one.")
    stale_features_count: int
    recent_failures: list[Failure] = Field(description="Within 24 hours, at most 10, newest first.")
    total_symbols_monitored: int


class Summary(BaseModel):
    """All series that are watched over."""

    fresh_count: int = Field(description="At most an hour old.")
    aging_count: int = Field(description="At most a day old.")
    stale_count: int
    missing_count: int = Field(description="Without any features.")
    total_monitored: int


class SeriesFreshness(BaseModel):
    """How fresh the features of a series are."""

    symbol: str
    asset_class: str
    timeframe: str
    last_computed_at: Instant | None
    staleness_seconds: float | None = Field(description="Market time since the first bar was due that is not in them.")
    status: Literal["fresh", "aging", "stale", "missing"]
    data_point_count: int = Field(description="Bars that have features.")


class ByStatus(BaseModel):
    """The worst series, by how fresh they are."""

    fresh: list[SeriesFreshness]
    aging: list[SeriesFreshness]
    stale: list[SeriesFreshness]
    missing: list[SeriesFreshness]


class Staleness(BaseModel):
    """How fresh the features are."""

    timestamp: Instant
    summary: Summary
    by_status: ByStatus


class Run(Execution):
    """A run with its figures."""

    duration_seconds: float | None = Field(description="null while it runs.")
    total_symbols: int
    total_records_processed: int
    error_message: str | None
    success_rate: float = Field(description="Percent of all its symbols; 0 of 0 is 0.")


class History(BaseModel):
    """The latest runs."""

    timestamp: Instant
    executions: list[Run] = Field(description="Newest first.")


@router.get("/scheduler-health", summary="Health of the schedulers")
def health(db: Stored) -> SchedulerHealth:
    """Whether the runs succeed and the features are fresh.

    Degraded where features are stale, or the last run that has ended failed.
    """
    return SchedulerHealth(**freshness.get_scheduler_health(db))


@router.get("/features/staleness", summary="Freshness of the features")
def staleness(
    db: Stored,
    limit: Annotated[int, Query(ge=1, le=500, description="So many of the worst series, over all four lists.")] = 50,
) -> Staleness:
    """How fresh the features of all series are, and which are the worst.

    Features age, in market time, while a bar that is due is not in them.
    """
    return Staleness(**freshness.get_feature_staleness_report(db, limit))


@router.get("/scheduler/execution-history", summary="Runs of the schedulers")
def history(
    db: Stored, limit: Annotated[int, Query(ge=1, le=100, description="So many of the latest runs.")] = 20
) -> History:
    """The latest runs, newest first, with what they have come to, those that run included."""
    return History(timestamp=datetime.now(UTC), **runs.get_scheduler_execution_history(db, limit))
