"""Splits and dividends, and which of them count."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from barhouse.api.deps import Stored
from barhouse.api.historical import Symbol
from barhouse.api.shapes import Instant
from barhouse.flow import actions
from barhouse.model import AssetClass, moment

router = APIRouter(prefix="/api/v1/data", tags=["data"])

Class = Annotated[str | None, Query(alias="asset_class", description="Needed where a symbol is several instruments.")]
AsOf = Annotated[str | None, Query(description="What was known at that instant.", examples=["2024-01-31T14:30:00Z"])]


class Telling(BaseModel):
    """What one source tells of one day."""

    source: str
    kind: Literal["split", "dividend"]
    effective: date
    ratio: float | None = Field(description="n of an n:1 split.")
    amount: float | None = Field(description="What a share was paid, in the shares of that day.")
    currency: str | None
    learnt_at: Instant
    standing: Literal["accepted", "rejected"] = Field(description="Whether it counts.")
    evidence: dict[str, Any] = Field(
        description="`by` says what decides: prices, order (of the sources), agreement or only_telling; `move` is what "
        "prices did, `others` what excludes it, `silent` who was asked and tells nothing."
    )


class Actions(BaseModel):
    """What is told of an instrument, by date."""

    symbol: str
    asset_class: str
    count: int
    actions: list[Telling]
    timestamp: Instant


@router.get("/actions/{symbol:path}", summary="Splits and dividends of a symbol")
def listed(db: Stored, symbol: Symbol, asset_class: Class = None, as_of: AsOf = None) -> Actions:
    """The splits and dividends that each source tells, which of them count, and why.

    Where sources differ the prices around the day decide, then the order of the sources, imported files first.
    """
    wanted = None if asset_class is None else AssetClass.of(asset_class)
    instrument, rows = actions.corporate_actions(db, symbol, wanted, None if as_of is None else moment(as_of))
    told = [Telling.model_validate(row) for row in rows]
    return Actions(
        symbol=instrument.symbol,
        asset_class=instrument.asset_class,
        count=len(told),
        actions=told,
        timestamp=datetime.now(UTC),
    )
