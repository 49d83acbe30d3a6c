"""How enrichment fares: of one symbol, of all, of the jobs that did it; and holding up what is scheduled of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from barhouse.api.deps import Actor, Stored
from barhouse.api.shapes import Instant
from barhouse.flow import enrichment, overseeing, scheduling
from barhouse.model import AssetClass
from barhouse.store.enrichment import Status

router = APIRouter(prefix="/api/v1/enrichment", tags=["enrichment"])

Symbol = Annotated[str, Path(description="As you write it: AAPL, BRK.B, BTC, BTC-USD.", examples=["AAPL"])]
Class = Annotated[str | None, Query(description="stock, etf or crypto; left out: the one tracked, else stock.")]


class SymbolStatus(BaseModel):
    """How a symbol stands."""

    symbol: str
    asset_class: str
    status: Status = Field(
        description="The first that is true: error (the last run of a series failed), not_enriched (never, or nobody "
        "tracks it), stale (overdue for more than 3 days, or a quality below 0.85), warning (1 to 3 days, or 0.9 and "
        "below), healthy. Overdue is told in market time, by the latest series."
    )
    last_enrichment_time: Instant | None
    data_age_seconds: float | None = Field(description="Since the close of the newest settled bar; null without one.")
    records_available: int = Field(description="Settled bars at that time, all timeframes together.")
    quality_score: float | None = Field(description="Their mean, 0 to 1.")
    validation_rate: float | None = Field(description="How many of them are validated, in percent.")
    timeframes_available: list[str] = Field(description="Those with bars, shortest first.")
    next_enrichment: Instant | None = Field(description="null while it is paused or off.")
    error_message: str | None
    timestamp: Instant


class Fetches(BaseModel):
    """The fetches of 24 hours."""

    total_fetches: int
    successful: int
    success_rate: float = Field(description="Percent; 0 of 0 is 0.")
    avg_response_time_ms: float | None = Field(description="Of those that were answered; null where none was.")
    api_quota_remaining: int | None = Field(description="What was left at the latest call, at Binance as weight.")


class Computations(BaseModel):
    """The computations of features of 24 hours."""

    total_computations: int
    successful: int
    success_rate: float = Field(description="Percent; 0 of 0 is 0.")
    avg_computation_time_ms: float | None


class DataQuality(BaseModel):
    """The last 7 days, weighted by records."""

    symbols_tracked: int
    avg_validation_rate: float | None = Field(description="Percent; null where nothing came.")
    avg_quality_score: float | None = Field(description="0 to 1; null where nothing came.")


class Progress(BaseModel):
    """How many series stand how, by the latest execution of each."""

    in_progress: int
    completed: int
    failed: int
    pending: int


class Figures(BaseModel):
    """How fetching, computing and the data fared."""

    fetch_pipeline: Fetches
    compute_pipeline: Computations
    data_quality: DataQuality


class TimedFigures(Figures):
    """The same, and when that was."""

    timestamp: Instant


class Metrics(TimedFigures):
    """The same, and how far all series are."""

    backfill_progress: Progress


class Scheduler(BaseModel):
    """Whether enrichment goes on by itself."""

    running: bool
    last_enrichment_time: Instant | None = Field(description="When the last job ended.")
    next_enrichment_time: Instant | None = Field(description="null while it is paused or off.")


class LastJob(BaseModel):
    """What came of the last enrichment that has ended; counted are symbols."""

    started_at: Instant | None
    completed_at: Instant | None
    duration_seconds: float | None
    successful: int
    failed: int
    retried: int = Field(description="How often one of its series was taken up again.")


class JobSymbol(BaseModel):
    """A symbol of a job."""

    symbol: str
    asset_class: str
    status: Literal["pending", "in_progress", "completed", "failed", "retry"]
    retry_count: int
    last_error: str | None


class Overview(BaseModel):
    """Enrichment at a glance."""

    scheduler: Scheduler
    last_job: LastJob | None = Field(description="null before the first.")
    metrics: Figures
    job_queue: list[JobSymbol] = Field(description="What waits in jobs, at most 20.")
    processing_symbols: list[JobSymbol] = Field(description="What is worked on, or failed; at most 20, failed first.")
    timestamp: Instant


class Health(BaseModel):
    """Whether enrichment goes on by itself."""

    health_status: Literal["healthy", "warning", "critical"] = Field(
        description="critical: no scheduler runs; warning: paused, or symbols failed in the last job."
    )
    scheduler_running: bool
    last_enrichment_time: Instant | None
    failed_symbols: int = Field(description="In the last job that has ended.")
    issues: list[str]
    config: dict[str, Any] = Field(description="The settings of the process that leads the schedules.")
    timestamp: Instant


class JobStatus(BaseModel):
    """How a symbol stands in the newest job that has it."""

    symbol: str
    asset_class: str
    status: Literal["pending", "in_progress", "completed", "failed", "retry", "not_found"]
    retry_count: int
    last_error: str | None
    started_at: Instant | None
    completed_at: Instant | None
    timestamp: Instant


class Held(BaseModel):
    """Whether scheduled enrichment goes on."""

    timestamp: Instant
    status: Literal["paused", "resumed"]
    message: str


class Outcome(BaseModel):
    """What came of an enrichment; counted are symbols, of which each fails with the first of its series."""

    job_id: str
    started_at: Instant | None
    completed_at: Instant | None
    duration_seconds: float | None
    status: Literal["queued", "in_progress", "completed", "failed"]
    successful: int
    failed: int
    retried: int = Field(description="How often one of its series was taken up again.")
    total_records_inserted: int
    total_records_updated: int


class History(BaseModel):
    """The latest enrichments."""

    timestamp: Instant
    count: int
    jobs: list[Outcome] = Field(description="Newest first.")


@router.get("/status/{symbol}", summary="How a symbol stands")
def status(db: Stored, symbol: Symbol, asset_class: Class = None) -> SymbolStatus:
    """How fresh, how good and how complete the data of a symbol are; one that nobody tracks is `not_enriched`."""
    kind = None if asset_class is None else AssetClass.of(asset_class)
    following = scheduling.next_enrichment(scheduling.standing(db))
    return SymbolStatus(**enrichment.status(db, symbol, kind), next_enrichment=following)


@router.get("/metrics", summary="How fetching and computing fare")
def metrics(db: Stored) -> Metrics:
    """Fetches and computations of 24 hours, the quality of 7 days, and how far all series are."""
    return Metrics(**enrichment.metrics(db), backfill_progress=Progress(**enrichment.progress(db)))


@router.get("/dashboard/overview", summary="Enrichment at a glance")
def overview(db: Stored) -> Overview:
    """Who schedules it, how its last job ended, how all fares, what waits and what is worked on."""
    return Overview(**overseeing.overview(db))


@router.get("/dashboard/health", summary="Whether enrichment goes on")
def health(db: Stored) -> Health:
    """Whether a scheduler runs and is not paused, and what failed in the last job."""
    return Health(**overseeing.health(db))


@router.get("/dashboard/metrics", summary="The figures of the dashboard")
def dashboard_metrics(db: Stored) -> TimedFigures:
    """The same as `GET enrichment/metrics`, less the progress of the series."""
    return TimedFigures(**enrichment.metrics(db))


@router.get("/dashboard/job-status/{symbol}", summary="How the job of a symbol stands")
def job_status(db: Stored, symbol: Symbol, asset_class: Class = None) -> JobStatus:
    """How a symbol stands in the newest job that has it; `not_found` where none has."""
    return JobStatus(**enrichment.job_status(db, symbol, asset_class))


@router.post("/pause", summary="Hold up scheduled enrichment")
def pause(db: Stored, by: Actor) -> Held:
    """Let no scheduled enrichment begin until it is resumed, restarts or not; what is triggered is done as ever."""
    new = scheduling.pause_enrichment(db, by)
    message = "Scheduled enrichment is paused; what is triggered is done all the same"
    return Held(timestamp=datetime.now(UTC), status="paused", message=message if new else "It was paused already")


@router.post("/resume", summary="Let scheduled enrichment go on")
def resume(db: Stored, by: Actor) -> Held:
    """Let scheduled enrichment go on from its next time."""
    new = scheduling.resume_enrichment(db, by)
    message = "Scheduled enrichment goes on" if new else "It was not paused"
    return Held(timestamp=datetime.now(UTC), status="resumed", message=message)


@router.get("/pause", summary="Hold up scheduled enrichment, for old scripts", deprecated=True)
def pause_by_get(db: Stored, by: Actor) -> Held:
    """The same as POST."""
    return pause(db, by)


@router.get("/resume", summary="Let scheduled enrichment go on, for old scripts", deprecated=True)
def resume_by_get(db: Stored, by: Actor) -> Held:
    """The same as POST."""
    return resume(db, by)


@router.get("/history", summary="The latest enrichments")
def history(db: Stored, limit: Annotated[int, Query(ge=1, le=100, description="So many.")] = 10) -> History:
    """What came of the latest enrichments, newest first."""
    jobs = [Outcome(**item) for item in enrichment.history(db, limit)]
    return History(timestamp=datetime.now(UTC), count=len(jobs), jobs=jobs)
