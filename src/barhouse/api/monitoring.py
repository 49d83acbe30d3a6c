"""How the warehouse is, and what people were told of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from barhouse.api.deps import Stored
from barhouse.api.shapes import Instant
from barhouse.flow.health import health_history
from barhouse.store import incidents

router = APIRouter(prefix="/api/v1/admin", tags=["admin"])

Health = Literal["healthy", "warning", "critical"]


class HealthRun(BaseModel):
    """What a health run saw."""

    timestamp: Instant
    status: Health = Field(description="The severity of the worst incident that was open then.")
    stale_symbols: int = Field(
        description="Symbols of which a series was overdue for more than 6 hours of market time."
    )
    failed_symbols: int = Field(description="Symbols that had failed three times in a row, or more often.")
    anomalies_detected: int = Field(description="Anomalies that were not resolved.")
    alerts_triggered: int = Field(description="Incidents that it opened.")
    duration_ms: float


class DetailedRun(HealthRun):
    """What a health run saw, by name."""

    details: dict[str, Any] = Field(
        description="`stale` (the latest 100), `failing`, `anomalies` by type, `sources`, `quotas`, `queue`, "
        "`disk_free_bytes` (null for a server of your own), `incidents` that were open."
    )


class HealthAnswer(BaseModel):
    """The latest health run, and those before it."""

    timestamp: Instant
    latest: DetailedRun | None = Field(description="null before the first run.")
    history: list[HealthRun] = Field(description="Newest first, the latest included.")


class Delivery(BaseModel):
    """A message about an incident."""

    id: str = Field(description="As its receiver has seen it; the same for each attempt.")
    channel: str = Field(description="The kind of the channel, and a hash of its address.")
    event: Literal["opened", "over"]
    status: Literal["waiting", "sending", "delivered", "dropped"]
    attempts: int
    error: str | None


class Alert(BaseModel):
    """An incident: a root cause of which people are told."""

    incident_id: str
    rule: str
    cause: str
    severity: Literal["warning", "critical"]
    message: str
    subjects: list[str] = Field(description="The symbols or series that suffer from it.")
    status: Literal["open", "delivered", "over"]
    opened_at: Instant
    delivered_at: Instant | None = Field(description="When the first channel took it.")
    over_at: Instant | None
    deliveries: list[Delivery]


class Alerts(BaseModel):
    """The latest incidents."""

    timestamp: Instant
    count: int
    alerts: list[Alert] = Field(description="Newest first.")


@router.get("/health", summary="Health of the warehouse")
def health(
    db: Stored, limit: Annotated[int, Query(ge=1, le=100, description="So many of the latest runs.")] = 20
) -> HealthAnswer:
    """What the latest health run saw, and how the runs before it ended.

    They run with `barhouse up`, at 0, 6, 12 and 18 o'clock UTC, and by `barhouse health --run`.
    """
    runs = health_history(db, limit)
    latest = DetailedRun(**runs[0]) if runs else None
    return HealthAnswer(timestamp=datetime.now(UTC), latest=latest, history=[HealthRun(**run) for run in runs])


@router.get("/alerts", summary="Incidents, and who was told of them")
def alerts(
    db: Stored,
    status: Annotated[
        Literal["open", "delivered", "over"] | None,
        Query(description="open: nobody was told yet; delivered: told, and still so; over. Left out: all."),
    ] = None,
    limit: Annotated[int, Query(ge=1, le=500, description="So many of the latest incidents.")] = 50,
) -> Alerts:
    """The latest incidents, one for each root cause, with the messages about them."""
    told = [Alert(**row) for row in incidents.listed_incidents(db, status=status, limit=limit)]
    return Alerts(timestamp=datetime.now(UTC), count=len(told), alerts=told)
