"""Whether the server lives, and whether it can serve."""

from __future__ import annotations

from typing import Literal

import orjson
import psycopg
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from barhouse.api.deps import Stored
from barhouse.api.errors import SOON
from barhouse.flow.warehouse import COLUMNS
from barhouse.store import schedules
from barhouse.store.migrate import pending, unknown
from barhouse.store.postgres import Database

router = APIRouter(tags=["health"])

PATIENCE = 3
"""Seconds that the database may take to answer."""


class Alive(BaseModel):
    """That the process answers."""

    status: Literal["ok"]


class Readiness(BaseModel):
    """Whether the warehouse can be read."""

    status: Literal["ready", "not ready"]
    missing: list[str] = Field(description="What is not there: the database, migrations, a scheduler.")
    scheduler: Literal["running", "away"]


_AWAY = {"status": "not ready", "missing": ["database"], "scheduler": "away"}


@router.get("/health", summary="Whether the process lives")
async def health() -> Alive:
    """Says `{"status": "ok"}` as long as the process answers at all."""
    return Alive(status="ok")


@router.get(
    "/ready",
    summary="Whether the warehouse can be read",
    responses={
        200: {"model": Readiness},
        503: {"model": Readiness, "description": "Not yet", "content": {"application/json": {"example": _AWAY}}},
    },
)
def ready(request: Request, db: Stored) -> Response:
    """Says whether the database answers and its schema is the one we know; 503 with what is missing if not.

    Says too whether a scheduler runs anywhere; it is missed only where this process is to run one.
    """
    missing, scheduler = _missing(db)
    if getattr(request.app.state, "is_scheduling", False) and not scheduler:
        missing.append("scheduler")
    told = {"status": "not ready" if missing else "ready", "missing": missing}
    answer = told | {"scheduler": "running" if scheduler else "away"}
    return Response(orjson.dumps(answer), 503 if missing else 200, SOON if missing else None, "application/json")


def _missing(db: Database) -> tuple[list[str], bool]:
    """What is not there, and whether a scheduler runs.

    Asked on a connection of its own, since a pool would wait for one to come back.
    """
    try:
        with psycopg.connect(db.url, connect_timeout=PATIENCE, autocommit=True) as connection:
            newer = [f"a Barhouse that knows migration {name}" for name in unknown(connection)]
            older = [f"migration {name}" for name in pending(connection, COLUMNS)]
            return newer + older, not older and schedules.standing(connection).running
    except psycopg.OperationalError:
        return ["database"], False
