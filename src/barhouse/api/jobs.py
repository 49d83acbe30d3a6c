"""Jobs: asked for here, done by workers, watched here."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from barhouse.api.deps import Actor, Stored
from barhouse.api.shapes import Instant
from barhouse.flow import jobs, triggers
from barhouse.model import AssetClass, moment
from barhouse.store.jobs import Kind

router = APIRouter(prefix="/api/v1", tags=["jobs"])

Status = Literal["queued", "in_progress", "completed", "failed"]

Symbol = Annotated[str, Field(min_length=1)]
Id = Annotated[str, Path(description="As the job was answered with.")]
Class = Annotated[str | None, Query(description="stock, etf or crypto; left out: the one tracked, else stock.")]


class Asked(BaseModel):
    """A job that was asked for, or the unfinished one that has all of it already."""

    job_id: str
    asset_class: str | None = Field(description="null where there are several.")
    timeframes: list[str]
    status: Status
    total_records_to_process: int = Field(description="Bars that ought to be there and were not read yet.")
    estimated_duration_seconds: float | None = Field(description="By what such took lately; null before the first.")
    timestamp: Instant


class AskedOne(Asked):
    """A job of one symbol."""

    symbol: str


class AskedSeveral(Asked):
    """A job of several symbols."""

    symbols: list[str]


class Task(BaseModel):
    """A series of a job."""

    symbol: str
    asset_class: str
    timeframe: str
    status: Status
    execution_id: str
    retry_count: int = Field(description="How often it was taken over from a worker that died.")
    error_message: str | None
    records_inserted: int
    bars_done: int
    bars_expected: int | None = Field(description="null until it is known.")
    started_at: Instant | None
    completed_at: Instant | None


class JobSummary(BaseModel):
    """How a job stands."""

    job_id: str
    kind: Literal["backfill", "enrichment"]
    requested_by: str | None
    status: Status = Field(description="failed where one of its series failed.")
    created_at: Instant
    started_at: Instant | None
    completed_at: Instant | None
    total: int = Field(description="Its series.")
    queued: int
    running: int
    successful: int
    failed: int
    retried: int
    records_inserted: int
    progress: float = Field(description="Percent.")
    eta_seconds: float | None = Field(description="At the pace so far; null before there is one.")


class Job(JobSummary):
    """How a job and its series stand."""

    tasks: list[Task]
    timestamp: Instant


class Jobs(BaseModel):
    """The latest jobs."""

    timestamp: Instant
    count: int
    jobs: list[JobSummary] = Field(description="Newest first.")


@router.post("/enrichment/trigger", summary="Bring series up to date")
def trigger(
    db: Stored,
    by: Actor,
    *,
    symbol: Annotated[str | None, Query(min_length=1, description="One symbol.", examples=["AAPL"])] = None,
    symbols: Annotated[list[Symbol], Query(description="Several; may be repeated.")] = [],  # noqa: B006
    asset_class: Class = None,
    timeframes: Annotated[
        list[str], Query(description="5m 15m 30m 1h 4h 1d 1w; left out: 1d for `symbol`, else what is tracked.")
    ] = [],  # noqa: B006
) -> AskedOne | AskedSeveral:
    """Hand series to the workers: those of the symbols named, else of all that is active.

    Answers before the work. Series that wait or run already are shared; where one unfinished job has all of them, that
    job is the answer. A symbol that is not tracked is tracked first.
    """
    kind = None if asset_class is None else AssetClass.of(asset_class)
    now = datetime.now(UTC)
    return _answer(triggers.trigger(db, symbol, symbols, kind, timeframes, now, by=by), now)


@router.get("/enrichment/jobs/{job_id}", summary="How a job stands")
def job(db: Stored, job_id: Id) -> Job:
    """How far a job and its series are, in bars and percent; 404 for an id that nobody knows."""
    return Job(**jobs.job(db, job_id), timestamp=datetime.now(UTC))


@router.post("/backfill", summary="Bring the missing bars of a span")
def backfill(
    db: Stored,
    by: Actor,
    *,
    symbols: Annotated[list[Symbol], Query(min_length=1, description="May be repeated.", examples=[["AAPL"]])],
    asset_class: Class = None,
    timeframes: Annotated[list[str], Query(min_length=1, description="1m 5m 15m 30m 1h 4h 1d 1w.")] = ["1d"],  # noqa: B006
    start: Annotated[str | None, Query(description="In the span; left out: as far back as usual.")] = None,
    end: Annotated[str | None, Query(description="Not in the span; left out: now.")] = None,
    refresh: Annotated[bool, Query(description="Read again what was read already.")] = False,
) -> AskedOne | AskedSeveral:
    """Hand a span of some series to the workers; answers before the work.

    409 where another span of such a series is being brought just now.
    """
    kind = None if asset_class is None else AssetClass.of(asset_class)
    now = datetime.now(UTC)
    bounds = (None if start is None else moment(start), now if end is None else moment(end))
    return _answer(triggers.backfill(db, symbols, kind, timeframes, bounds, refresh=refresh, by=by), now)


@router.get("/backfill/status/{job_id}", summary="How a backfill stands")
def backfill_status(db: Stored, job_id: Id) -> Job:
    """How far a backfill and its series are; 404 for an id that nobody knows."""
    return job(db, job_id)


@router.get("/backfill/recent", summary="The latest backfills")
def recent(db: Stored, limit: Annotated[int, Query(ge=1, le=100, description="So many.")] = 20) -> Jobs:
    """The latest backfills that were asked for, newest first."""
    rows = [JobSummary(**each) for each in jobs.recent(db, Kind.BACKFILL, limit)]
    return Jobs(timestamp=datetime.now(UTC), count=len(rows), jobs=rows)


def _answer(job: Mapping[str, Any], now: datetime) -> AskedOne | AskedSeveral:
    tasks = job["tasks"]
    classes = {task["asset_class"] for task in tasks}
    told = {
        "job_id": job["job_id"],
        "asset_class": classes.pop() if len(classes) == 1 else None,
        "timeframes": list(dict.fromkeys(task["timeframe"] for task in tasks)),
        "status": job["status"],
        "total_records_to_process": job["records"],
        "estimated_duration_seconds": job["seconds"],
        "timestamp": now,
    }
    symbols = list(dict.fromkeys(task["symbol"] for task in tasks))
    return AskedOne(symbol=symbols[0], **told) if len(symbols) == 1 else AskedSeveral(symbols=symbols, **told)
