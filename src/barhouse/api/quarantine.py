"""The quarantine: rows that are no bars, and what is decided over them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from barhouse.api.deps import Signed, Stored
from barhouse.api.duplicates import Class, Symbol, Timeframe
from barhouse.api.numbered import MOST, Cursor, behind
from barhouse.api.shapes import Instant
from barhouse.flow import quarantine

router = APIRouter(prefix="/api/v1/data/quarantine", tags=["quality"])

Number = Annotated[int, Field(ge=1, le=MOST)]
Numbers = Annotated[list[Number], Field(min_length=1, max_length=1000, description="The `id` of each row.")]
_DECISION: dict[str, Any] = {"ids": [17], "reason": "The exchange confirms it", "author": "ada"}


class Row(BaseModel):
    """A row that is no bar, and why."""

    id: int
    symbol: str
    asset_class: str
    timeframe: str
    time: Instant | None = Field(description="The slot it claims; null where that is unreadable.")
    source: str | None
    fetch_id: int | None = Field(description="The fetch that brought it.")
    span_start: Instant | None = Field(description="What that fetch was asked for.")
    span_end: Instant | None
    reason: str = Field(description="The checks that it failed, separated by commas.")
    payload: str | None = Field(description="What really came.")
    status: Literal["quarantined", "released", "rejected"]
    decided_by: str | None = Field(description="Who released or rejected it; null where the checks of a later day did.")
    decision: str | None = Field(description="Why.")
    released_at: Instant | None = Field(description="From this instant on readers see the bar.")
    released_fetch_id: int | None = Field(description="The fetch under which the bar is stored.")
    created_at: Instant


class Quarantined(BaseModel):
    """A page of the quarantine, the latest first."""

    timestamp: Instant
    count: int
    next_cursor: str | None = Field(description="Leads to the next page; null on the last one.")
    data: list[Row]


class Judged(BaseModel):
    """What became of a row."""

    id: int
    symbol: str
    asset_class: str
    timeframe: str
    time: Instant | None
    released: bool
    reason: str | None = Field(description="What is in its way still, or was overruled.")


class Rejudged(BaseModel):
    """What became of rows that were looked at again."""

    judged: int
    released: int
    rows: list[Judged]


class Released(BaseModel):
    """Rows that are bars now."""

    released: int
    rows: list[Judged]


class Rejected(BaseModel):
    """Rows that will never be bars."""

    rejected: int


class Decision(BaseModel):
    """Over which rows somebody decides, and why."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": _DECISION})

    ids: Numbers
    reason: str = Field(min_length=1, max_length=1000, description="Why, in the words of the author.")
    author: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description="Who decides; whoever calls with a key is noted by its name, with the author beside it.",
    )


class Release(Decision):
    """Which rows are to be bars, and why."""

    replace: bool = Field(
        default=False, strict=True, description="Corrects a bar that is stored in the slot to what the row says."
    )


@router.get("", summary="Rows in quarantine")
def listed(
    db: Stored,
    *,
    symbol: Symbol = None,
    timeframe: Timeframe = None,
    asset_class: Class = None,
    reason: Annotated[str | None, Query(description="Only rows that failed this check.")] = None,
    status: Annotated[
        Literal["quarantined", "released", "rejected"] | None, Query(description="Only rows that stand so.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="Rows in a page.")] = 100,
    cursor: Cursor = None,
) -> Quarantined:
    """What sources and files sent that is no bar, the latest first: why, what really came, and in which fetch."""
    rows = quarantine.listed_quarantine(
        db, symbol, timeframe, asset_class, reason=reason, status=status, before=behind(cursor), limit=limit + 1
    )
    return Quarantined(
        timestamp=datetime.now(UTC),
        count=len(rows[:limit]),
        next_cursor=str(rows[limit - 1]["id"]) if len(rows) > limit else None,
        data=[Row(**row) for row in rows[:limit]],
    )


@router.post("/rejudge", summary="Judge rows again")
def rejudge(
    db: Stored,
    *,
    symbol: Symbol = None,
    timeframe: Timeframe = None,
    asset_class: Class = None,
    ids: Annotated[list[Number] | None, Query(alias="id", description="Only these rows; may be repeated.")] = None,
) -> Rejudged:
    """Run the checks of today over rows of which nobody has decided; what passes, in an empty slot, is a bar now."""
    return Rejudged(**quarantine.rejudge(db, symbol, timeframe, asset_class, ids=ids))


@router.post("/release", summary="Release rows by hand")
def release(db: Stored, signed: Signed, told: Release) -> Released:
    """Make bars of rows though a check failed, all of them or none; each needs five numbers and a slot.

    409 if somebody has decided before, or a bar is stored in the slot and `replace` is not said.
    """
    done = quarantine.release(db, told.ids, reason=told.reason, author=signed.of(told.author), replace=told.replace)
    return Released(**done)


@router.post("/reject", summary="Reject rows for good")
def reject(db: Stored, signed: Signed, told: Decision) -> Rejected:
    """Say that rows will never be bars, all of them or none; 409 if somebody has decided over one before."""
    return Rejected(**quarantine.reject(db, told.ids, reason=told.reason, author=signed.of(told.author)))
