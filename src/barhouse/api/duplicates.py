"""Slots that hold several bars: previewed, cleaned, and what was cleaned undone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from barhouse.api.deps import Actor, Stored
from barhouse.api.numbered import MOST, Cursor, behind
from barhouse.api.shapes import Instant
from barhouse.flow import cleanup

router = APIRouter(prefix="/api/v1/data/duplicates", tags=["quality"])

Symbol = Annotated[str | None, Query(description="Only of this symbol; left out: of all.", examples=["AAPL"])]
Timeframe = Annotated[str | None, Query(description="Only of this timeframe.", examples=["1d"])]
Class = Annotated[str | None, Query(description="stock, etf or crypto; needed where a symbol is several instruments.")]


class Slot(BaseModel):
    """A slot that holds several bars, or did."""

    symbol: str
    timeframe: str
    candle_time: Instant = Field(description="The slot's canonical time, at which the best bar stands.")
    duplicates_removed: int = Field(description="The bars that were, or would be, too many.")


class Unknown(BaseModel):
    """A series that nobody can judge."""

    symbol: str
    asset_class: str
    timeframe: str
    reason: str
    severity: str


class Cleanup(BaseModel):
    """What was cleaned, or would be."""

    total_duplicates_found: int = Field(description="Slots that held several bars.")
    total_records_removed: int = Field(description="0 in a dry run.")
    cleanup_details: list[Slot]
    failed_checks: list[Unknown] = Field(description="The series whose calendar nobody knows.")


class Cleaned(BaseModel):
    """One slot that was cleaned."""

    id: int = Field(description="What the undoing is asked by.")
    symbol: str
    asset_class: str
    timeframe: str
    candle_time: Instant
    duplicate_count: int = Field(description="Bars that were removed.")
    duplicate_ids: list[int] = Field(description="Their `id` in the view `market_data`.")
    removed_records: list[dict[str, Any]] = Field(description="They themselves, whole.")
    survivor: dict[str, Any] | None = Field(description="The bar that stayed, as it was before.")
    run_id: str | None = Field(description="The call that cleaned it.")
    stamped_at: Instant | None = Field(description="From this instant on readers do not see them.")
    cleaned_by: str | None = Field(description="Who asked for it, where somebody was named.")
    restored_at: Instant | None = Field(description="When it was undone.")
    restored_by: str | None = Field(description="Who undid it.")


class Duplicates(BaseModel):
    """What would be cleaned now, and what was cleaned."""

    timestamp: Instant
    preview: Cleanup | None = Field(description="What a cleanup would do now; null if nobody asked.")
    count: int = Field(description="Rows in `log`.")
    next_cursor: str | None = Field(description="Leads to the next page; null on the last one.")
    log: list[Cleaned]


class Undone(BaseModel):
    """A cleanup that was undone."""

    id: int
    symbol: str
    asset_class: str
    timeframe: str
    candle_time: Instant
    records_restored: int
    restored_at: Instant


@router.get("", summary="Duplicates, and what was cleaned")
def listed(
    db: Stored,
    *,
    symbol: Symbol = None,
    timeframe: Timeframe = None,
    asset_class: Class = None,
    preview: Annotated[bool, Query(description="Look for duplicates now.")] = True,
    limit: Annotated[int, Query(ge=1, le=1000, description="Rows of the log in a page.")] = 100,
    cursor: Cursor = None,
) -> Duplicates:
    """The slots that hold several bars now, and the log of those that were cleaned, the latest first."""
    rows = cleanup.cleanups(db, symbol, timeframe, asset_class, before=behind(cursor), limit=limit + 1)
    found = cleanup.cleanup_duplicate_records(db, symbol, timeframe, True, asset_class) if preview else None
    return Duplicates(
        timestamp=datetime.now(UTC),
        preview=None if found is None else Cleanup(**found),
        count=len(rows[:limit]),
        next_cursor=str(rows[limit - 1]["id"]) if len(rows) > limit else None,
        log=[Cleaned(**row) for row in rows[:limit]],
    )


@router.post("/cleanup", summary="Clean duplicates")
def clean(
    db: Stored,
    by: Actor,
    *,
    symbol: Symbol = None,
    timeframe: Timeframe = None,
    asset_class: Class = None,
    dry_run: Annotated[bool, Query(description="Only tell what would be done.")] = False,
) -> Cleanup:
    """Leave of each slot the best bar: the validated one, then that of the best quality, then the newest.

    What goes is kept whole in the log, and reads with `as_of` still see it as it was.
    """
    return Cleanup(**cleanup.cleanup_duplicate_records(db, symbol, timeframe, dry_run, asset_class, by=by))


@router.post("/{id}/undo", summary="Undo a cleanup")
def undo(
    db: Stored, by: Actor, number: Annotated[int, Path(alias="id", ge=1, le=MOST, description="As in the log.")]
) -> Undone:
    """Bring back all bars that were taken out of a slot, and the one that stayed back to where it stood.

    404 if there is no such cleanup; 409 if it was undone already, or other bars stand in the way by now.
    """
    return Undone(**cleanup.undo_cleanup(db, number, by=by))
