"""The page of all series."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from barhouse.api.dashboard.frame import is_swapped, page, part
from barhouse.api.dashboard.lists import Question, told
from barhouse.api.deps import Stored
from barhouse.store import catalogue

CLOSES = 60
"""Closes that the course of a series is drawn with."""

PATH = "/dashboard/symbols"
router = APIRouter(include_in_schema=False)


@router.get(PATH)
def listed(request: Request, db: Stored, asked: Question) -> Response:
    """Every series with what is stored of it and the course of its closes; the list alone where it is swapped."""
    with db.connection() as connection:
        rows = catalogue.series(connection, asked.listing(catalogue.STORED), CLOSES)
    shown = told(PATH, asked, rows)
    return (
        part(request, "parts/series.html", **shown) if is_swapped(request) else page(request, "symbols.html", **shown)
    )
