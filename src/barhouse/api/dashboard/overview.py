"""The first page: whether all is well, and if not, why; its parts renew themselves."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from barhouse.api.dashboard.frame import page, part
from barhouse.api.deps import Configured, Stored
from barhouse.flow import glance, instruments
from barhouse.flow.condition import Freshness
from barhouse.flow.health import room
from barhouse.model import Timeframe
from barhouse.store.postgres import Database

RECENT = 2.0
"""Seconds that what was seen is good for who looks on; who opens the page sees what is now."""

DAYS = 30
"""Days of the quality that are drawn."""

LOOKS = {"healthy": "good", "warning": "warn", "critical": "bad"}

router = APIRouter(include_in_schema=False)


@router.get("/")
async def root() -> RedirectResponse:
    """The way to the dashboard."""
    return RedirectResponse("/dashboard", 307)


@router.get("/dashboard")
def overview(request: Request, db: Stored) -> HTMLResponse:
    """Whether all is well, at one glance."""
    return page(request, "overview.html", **_now(db, 0.0), **_heat(db))


@router.get("/dashboard/parts/now")
def now(request: Request, db: Stored) -> Response:
    """What changes from second to second: the verdict, what runs, what comes next, alerts."""
    return part(request, "parts/now.html", **_now(db))


@router.get("/dashboard/parts/heat")
def heat(request: Request, db: Stored) -> Response:
    """How fresh all series are."""
    return part(request, "parts/heat.html", **_heat(db))


@router.get("/dashboard/parts/slow")
def slow(request: Request, db: Stored, settings: Configured) -> Response:
    """What changes from minute to minute, and takes longer to tell: vendors, quality, storage."""
    at = datetime.now(UTC)
    vendors, trend = glance.vendors(db, at), glance.trend(db, DAYS, at)
    return part(request, "parts/slow.html", vendors=vendors, trend=trend, storage=glance.storage(db, room(settings)))


@router.get("/dashboard/pulse")
def pulse(request: Request, db: Stored) -> Response:
    """Whether all is well, in one word, for the head of each page."""
    seen = glance.seen(db, datetime.now(UTC), age=RECENT)
    return part(request, "parts/pulse.html", now=seen.now, look=LOOKS[seen.now.status])


def _now(db: Database, age: float = RECENT) -> dict[str, Any]:
    now = glance.seen(db, datetime.now(UTC), age=age).now
    return {"now": now, "look": LOOKS[now.status], "totals": instruments.totals(db)}


def _heat(db: Database) -> dict[str, Any]:
    seen = glance.seen(db, datetime.now(UTC), age=RECENT)
    heat = glance.heat(db, seen.series, list(Timeframe))
    return {"heat": heat, "counts": seen.now.freshness, "kinds": list(Freshness)}
