"""The first page: whether all is well."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from barhouse.api.dashboard.frame import page
from barhouse.api.deps import Stored
from barhouse.flow import instruments

router = APIRouter(include_in_schema=False)


@router.get("/")
async def root() -> RedirectResponse:
    """The way to the dashboard."""
    return RedirectResponse("/dashboard", 307)


@router.get("/dashboard")
def overview(request: Request, db: Stored) -> HTMLResponse:
    """What the warehouse holds."""
    return page(request, "overview.html", totals=instruments.totals(db))
