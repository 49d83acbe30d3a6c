"""How the calls to vendors fare: what this process lets through, and what all processes have used of the quotas."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from barhouse.api.deps import Stored
from barhouse.api.shapes import Instant
from barhouse.resilience import get_resilience_manager
from barhouse.store import quotas

router = APIRouter(prefix="/api/v1/admin", tags=["admin"])


class Breaker(BaseModel):
    """A circuit breaker of this process."""

    name: str
    state: str = Field(description="closed, open or half_open.")
    calls: int = Field(description="The latest calls within 60 s, 20 at most.")
    failures: int = Field(description="How many of them failed; it opens at half of 5 calls or more.")


class Limiter(BaseModel):
    """A token bucket of this process."""

    name: str
    state: str = Field(description="available or exhausted.")
    tokens: float = Field(description="Calls that could leave at once.")
    rate: float
    interval: float = Field(description="Seconds in which `rate` tokens come.")


class Policy(BaseModel):
    """A retry policy of this process."""

    name: str
    state: str = Field(description="active, or off where nothing is tried again.")
    max_retries: int
    initial_delay: float
    max_delay: float
    backoff_multiplier: float


class Room(BaseModel):
    """A bulkhead of this process."""

    name: str
    state: str = Field(description="available or full.")
    running: int
    waiting: int
    max_concurrent: int


class Quota(BaseModel):
    """What a vendor allows one key or address, over all processes."""

    source: str
    holder: str = Field(description="Whom it counts for: the beginning of a key's hash, or the name of an address.")
    limit: int | None = Field(description="Calls in any window, or weight in a clock minute; null is no limit.")
    window_seconds: float
    by_the_clock: bool = Field(description="Whether weight counts, by the minutes of the clock.")
    used: int = Field(description="So much of the limit is used now.")
    waiting: int = Field(description="Calls that wait for their turn.")
    held_until: Instant | None = Field(description="Until when the vendor wants no call at all.")
    refused_until: Instant | None = Field(description="Until when nobody asks, since the vendor refused the key.")
    total_requests: int = Field(description="Turns given today, UTC.")
    rate_limited_count: int = Field(description="How often today the vendor said that there were too many.")
    rate_limited_share: float | None = Field(description="Of today's calls; null where there were none.")


class Resilience(BaseModel):
    """What stands between us and vendors that fail."""

    timestamp: Instant
    circuit_breakers: list[Breaker]
    rate_limiters: list[Limiter]
    retry_policies: list[Policy]
    bulkheads: list[Room]
    quotas: list[Quota]


@router.get(
    "/resilience",
    summary="Circuit breakers, limiters, retries, bulkheads and quotas of the vendors",
)
def resilience(db: Stored) -> Resilience:
    """What stands between us and vendors that fail.

    The first four lists are those of this process, filled once it has asked a vendor; the quotas are those of all.
    """
    told: dict[str, Any] = dict(get_resilience_manager().get_status())
    used = [_shared(row) for row in quotas.standing(db)]
    return Resilience(timestamp=datetime.now(UTC), quotas=used, **told)


def _shared(row: dict[str, Any]) -> Quota:
    calls = row["total_requests"]
    return Quota(**row, rate_limited_share=round(row["rate_limited_count"] / calls, 4) if calls else None)
