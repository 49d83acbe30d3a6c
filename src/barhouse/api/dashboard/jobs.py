"""The pages of the jobs: what waits and runs, what was; one with its series and what happened; asking for another."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from barhouse.api.dashboard.forms import Form, Sent
from barhouse.api.dashboard.frame import is_swapped, link, page, part, said
from barhouse.api.deps import Actor, Stored
from barhouse.api.roles import needed
from barhouse.errors import InvalidParameter, RoleNeeded
from barhouse.flow import asked, jobs, triggers
from barhouse.model import AssetClass, Timeframe, instant, moment
from barhouse.store.jobs import Kind
from barhouse.store.outcomes import Wanted
from barhouse.store.postgres import Database

PAGE, TASKS, EVENTS = 25, 100, 100
"""Jobs, series and events that are shown at once."""

ORDER = ("failed", "in_progress", "queued", "completed")
"""Series of a job: first those that want a look."""

OVER = ("completed", "failed")

router = APIRouter(prefix="/dashboard", include_in_schema=False)


class Listed(BaseModel):
    """Which jobs are wanted; what is left empty does not matter."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["", "backfill", "enrichment"] = ""
    status: Literal["", "active", "queued", "in_progress", "completed", "failed"] = ""
    symbol: str = Field(default="", max_length=50)
    by: str = Field(default="", max_length=100)
    before: str = ""

    def wanted(self) -> Wanted:
        """The same for the store; InvalidParameter (422) for what is no instant."""
        statuses = {"": None, "active": ["queued", "in_progress"]}.get(self.status, [self.status])
        symbol, by = self.symbol.strip().upper().replace("\0", ""), self.by.strip().replace("\0", "")
        before = moment(self.before) if self.before else None
        return Wanted(self.kind or None, statuses, symbol or None, by or None, before)


class Looked(BaseModel):
    """What of a job is wanted."""

    model_config = ConfigDict(frozen=True)

    tab: Literal["series", "log"] = "series"
    status: Literal["", "failed", "in_progress", "queued", "completed"] = ""
    symbol: str = Field(default="", max_length=50)
    errors: bool = False
    page: int = Field(default=1, ge=1, le=100_000)
    before: str = ""


@router.get("/jobs")
def listed(request: Request, db: Stored, wanted: Annotated[Listed, Query()]) -> Response:
    """The jobs, newest first, as they are chosen."""
    found, more = asked.page(db, wanted.wanted(), PAGE)
    kept = {name: value for name, value in wanted if value and name != "before"}
    told: dict[str, Any] = {
        "jobs": found,
        "asked": wanted,
        "here_again": link("/dashboard/jobs", **kept, before=wanted.before),
        "newest": link("/dashboard/jobs", **kept) if wanted.before else None,
        "older": link("/dashboard/jobs", **kept, before=instant(more)) if more else None,
    }
    if is_swapped(request):
        answer = part(request, "parts/joblist.html", **told)
        answer.headers["HX-Replace-Url"] = told["here_again"]
        return answer
    return page(request, "jobs.html", **told, timeframes=list(Timeframe), classes=list(AssetClass))


@router.get("/jobs/{job_id}")
def one(request: Request, db: Stored, job_id: str, looked: Annotated[Looked, Query()]) -> Response:
    """A job with its series, or with what happened in it; 404 for an id that nobody knows."""
    told = _told(db, job_id, looked)
    return part(request, "parts/job.html", **told) if is_swapped(request) else page(request, "job.html", **told)


@router.post("/jobs/{job_id}/cancel")
def cancel(request: Request, db: Stored, job_id: str) -> HTMLResponse:
    """End a job; what other jobs want of it goes on."""
    job = jobs.cancel(db, job_id)
    left = job["running"] + job["queued"]
    shared = f"; {left} of its series go on, since other jobs want them" if left else ""
    return said(request, f"The job is cancelled{shared}", events="jobs")


@router.post("/jobs/{job_id}/retry")
def retry(db: Stored, job_id: str, actor: Actor) -> Response:
    """A new job of what failed, and its page."""
    return _to(jobs.retry(db, job_id, by=actor))


@router.post("/jobs")
def trigger(request: Request, db: Stored, actor: Actor, form: Sent) -> Response:
    """Ask for a job, and show it; RoleNeeded (403) of who may not backfill, here as at `/api/v1/backfill`."""
    own, role = request.state.caller.role, needed("POST", "/api/v1/backfill")
    if form.text("kind") == Kind.BACKFILL and role and not own.covers(role):
        raise RoleNeeded(role, own)
    return _to(_asked(db, form, actor))


def _to(job: Mapping[str, Any]) -> Response:
    return Response(headers={"HX-Redirect": f"/dashboard/jobs/{job['job_id']}"})


def _asked(db: Database, form: Form, by: str) -> jobs.Job:
    """The job that brings what is wished for; InvalidParameter (422) for a span without a symbol."""
    names = [each for each in re.split(r"[\s,;]+", form.text("symbols") or "") if each]
    text, now = form.text("asset_class"), datetime.now(UTC)
    asset_class = AssetClass.of(text) if text else None
    frames = form.several("timeframes")
    match form.needed("kind"):
        case Kind.ENRICHMENT:
            return triggers.trigger(db, None, names, asset_class, frames, now, by=by)
        case Kind.BACKFILL if names:
            bounds, refresh = (form.moment("start"), form.moment("end") or now), form.is_set("refresh")
            return triggers.backfill(db, names, asset_class, frames or [Timeframe.D1], bounds, refresh=refresh, by=by)
        case Kind.BACKFILL:
            raise InvalidParameter("symbols: say which ones a span is to be brought of")
        case other:
            raise InvalidParameter(f"kind: {other!r} is neither enrichment nor backfill")


def _told(db: Database, job_id: str, looked: Looked) -> dict[str, Any]:
    job = jobs.job(db, job_id)
    symbol = looked.symbol.strip().upper().replace("\0", "")
    kept = {name: value for name, value in looked if value != Looked.model_fields[name].default}
    base = {name: value for name, value in kept.items() if name not in ("page", "before")}

    def to(**changed: Any) -> str:
        """The address of the same job with something changed."""
        return link(f"/dashboard/jobs/{job['job_id']}", **(base | changed))

    shown = _log(db, job, looked, symbol) if looked.tab == "log" else _series(job["tasks"], looked, symbol)
    return {
        "job": job,
        "looked": looked,
        "to": to,
        "here_again": to(**{name: value for name, value in kept.items() if name in ("page", "before")}),
        "counts": Counter(each["status"] for each in job["tasks"]),
        "is_over": job["status"] in OVER,
        "books": asked.books(db, job["job_id"]),
        **shown,
    }


def _series(tasks: Sequence[Mapping[str, Any]], looked: Looked, symbol: str) -> dict[str, Any]:
    chosen = [each for each in tasks if looked.status in ("", each["status"]) and each["symbol"].startswith(symbol)]
    chosen.sort(key=lambda each: ORDER.index(each["status"]))
    start = (looked.page - 1) * TASKS
    return {
        "tasks": chosen[start : start + TASKS],
        "found": len(chosen),
        "start": start,
        "older": looked.page + 1 if len(chosen) > start + TASKS else None,
    }


def _log(db: Database, job: Mapping[str, Any], looked: Looked, symbol: str) -> dict[str, Any]:
    before = moment(looked.before) if looked.before else None
    events, more = asked.happened(db, job["job_id"], EVENTS, before=before, symbol=symbol or None, errors=looked.errors)
    return {"events": events, "older": instant(more) if more else None}
