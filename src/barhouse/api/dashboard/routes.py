"""All pages, gathered."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI

from barhouse.api.dashboard import coverage, docs, jobs, keys, mending, overview, quality, settings, symbol, symbols
from barhouse.api.dashboard.frame import STATIC, Files

ROUTES = (quality, mending, settings, keys, overview, jobs, symbol, symbols, coverage, docs)

router = APIRouter(include_in_schema=False)
for routes in ROUTES:
    router.include_router(routes.router)


def serve_files(app: FastAPI) -> None:
    """Let `app` give out the style sheets and what else pages need."""
    app.mount("/static", Files(directory=STATIC), name="static")
