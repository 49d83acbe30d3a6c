"""What was rewritten of stored bars, by whom and why."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from barhouse.api.deps import Stored
from barhouse.api.historical import Symbol
from barhouse.api.numbered import behind
from barhouse.api.shapes import Instant
from barhouse.flow import rewritten
from barhouse.model import moment

router = APIRouter(prefix="/api/v1/data", tags=["quality"])


class Correction(BaseModel):
    """A field of a stored bar that was changed."""

    id: int
    original_record_id: int = Field(description="The `id` of the bar in the view `market_data`.")
    timeframe: str
    timestamp: Instant = Field(description="The `time` of the bar.")
    field_corrected: str = Field(
        description="open, high, low, close, volume, …, or source where the bar changed hands."
    )
    old_value: float | str | None = Field(description="A number; of the field `source` its name.")
    new_value: float | str | None
    reason: Literal["source_updated", "bug_fix", "manual_correction"]
    corrected_by: str = Field(description="The source that told it, or the author of a correction by hand.")
    correction_timestamp: Instant = Field(description="From this instant on readers see the new value.")
    source: str | None = Field(description="Whose bar it was until then.")
    fetch_id: int | None = Field(description="The fetch that brought it; null for a correction by hand.")
    note: str | None = Field(description="Why, in the words of the author.")


class Corrections(BaseModel):
    """A page of corrections, the latest first."""

    symbol: str
    asset_class: str
    count: int
    next_cursor: str | None = Field(description="Leads to the next page; null on the last one.")
    data: list[Correction]


class AskedCorrections(BaseModel):
    """Which corrections of a symbol are wanted."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    asset_class: str | None = Field(default=None, description="Needed where a symbol is several instruments.")
    timeframe: str | None = Field(default=None, description="Only of this timeframe.")
    since: str | None = Field(default=None, description="Made at this instant or later; a bare date is 00:00Z.")
    until: str | None = Field(default=None, description="Made before this instant.")
    field: str | None = Field(default=None, description="Only of this field: close, volume, source, …")
    limit: int = Field(default=100, ge=1, le=1000, description="Corrections in a page.")
    cursor: str | None = Field(default=None, description="`next_cursor` of the page before, with the same query.")


@router.get("/corrections/{symbol:path}", summary="Corrections of a symbol")
def listed(db: Stored, symbol: Symbol, asked: Annotated[AskedCorrections, Query()]) -> Corrections:
    """What was changed in bars that were stored already, a row a field, the latest first.

    Vendors restate bars (`source_updated`), people correct them (`manual_correction`, `bug_fix`). What was known at an
    instant is read with `as_of` from `historical`.
    """
    instrument, rows = rewritten.corrections(
        db,
        symbol,
        asset_class=asked.asset_class,
        timeframe=asked.timeframe,
        since=None if asked.since is None else moment(asked.since),
        until=None if asked.until is None else moment(asked.until),
        field=asked.field,
        behind=behind(asked.cursor),
        limit=asked.limit + 1,
    )
    page = rows[: asked.limit]
    return Corrections(
        symbol=instrument.symbol,
        asset_class=instrument.asset_class,
        count=len(page),
        next_cursor=str(page[-1]["id"]) if len(rows) > asked.limit else None,
        data=[Correction(**row) for row in page],
    )
