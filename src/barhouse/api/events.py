"""A job as server-sent events: how it stands, whenever that changes, until it is through."""

from __future__ import annotations

from typing import Annotated, Any

from anyio.to_thread import run_sync
from fastapi import APIRouter, Header, Response
from fastapi.responses import StreamingResponse

from barhouse.api.deps import Served
from barhouse.api.following import Events, event
from barhouse.api.jobs import Id
from barhouse.flow import jobs

router = APIRouter(prefix="/api/v1", tags=["jobs"])

Seen = Annotated[str | None, Header(alias="Last-Event-ID", description="The id of the last event that was seen.")]

_EXAMPLE = """event: progress
data: {"job_id": "0b3c8f0e-6c1d-4a57-9a0e-2f6a3f0b7c11", "status": "in_progress", "progress": 40.0, …}
id: 5f0c2b9e1a7d4c33
retry: 2000

"""
STREAM: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {"example": _EXAMPLE}}},
    204: {"description": "All was seen: the job is through, and its end was the last event"},
}


@router.get(
    "/enrichment/jobs/{job_id}/events", summary="Follow a job", response_class=StreamingResponse, responses=STREAM
)
async def job_events(served: Served, job_id: Id, last_event_id: Seen = None) -> Response:
    """How a job stands now and whenever that changes, as server-sent events; it ends when the job is through.

    `progress` events, then `end`: each with the job as `GET enrichment/jobs/{job_id}` tells it, less its tasks. A
    client that comes back with `Last-Event-ID` is told what is new only. 404 for an id that nobody knows.
    """
    job = await run_sync(jobs.job, served.db, job_id)
    now = event(job)
    if now.is_last and now.id == last_event_id:
        return Response(status_code=204)
    return Events(served.following.events(job, last_event_id))


@router.get(
    "/backfill/status/{job_id}/events",
    summary="Follow a backfill",
    response_class=StreamingResponse,
    responses=STREAM,
)
async def backfill_events(served: Served, job_id: Id, last_event_id: Seen = None) -> Response:
    """The same for a backfill."""
    return await job_events(served, job_id, last_event_id)
