"""How the warehouse is, at a glance."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.metadata import version

from fastapi import APIRouter

from barhouse.api import shapes
from barhouse.api.deps import Stored
from barhouse.flow import instruments

router = APIRouter(prefix="/api/v1", tags=["status"])


@router.get("/status", summary="What the warehouse holds")
def status(db: Stored) -> shapes.Status:
    """Totals over everything: instruments, series, bars from when to when, rows in quarantine, fetches of a day."""
    return shapes.Status(timestamp=datetime.now(UTC), version=version("barhouse"), **instruments.totals(db))
