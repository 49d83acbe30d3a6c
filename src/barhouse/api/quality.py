"""How good the data are, and what is wrong with them."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from barhouse.api.deps import Signed, Stored
from barhouse.api.numbered import MOST, behind
from barhouse.api.shapes import Instant
from barhouse.flow import instruments, quality
from barhouse.model import AssetClass, Timeframe
from barhouse.store.anomalies import Wanted
from barhouse.store.postgres import Database

router = APIRouter(prefix="/api/v1/data", tags=["quality"])

Class = Annotated[str | None, Query(description="stock, etf or crypto; needed where a symbol is several instruments.")]


class Summary(BaseModel):
    """The days together."""

    avg_validation_rate: float | None = Field(description="Percent of the records; null where there are none.")
    avg_quality_score: float | None = Field(description="Mean of the days, weighted by records.")
    total_gaps_detected: int
    total_anomalies: int


class Day(BaseModel):
    """A session date (crypto: UTC date) on which bars are expected; all timeframes together."""

    date: date
    total_records: int = Field(description="Bars stored, and rows in quarantine.")
    validated_records: int
    validation_rate: float | None = Field(description="Percent; null where nothing came.")
    gaps_detected: int = Field(description="Gaps that begin on this day.")
    anomalies_detected: int = Field(description="Whatever is wrong with bars of this day, gaps included.")
    avg_quality_score: float | None
    data_completeness: float | None = Field(description="Fields present of those that are expected, 0 to 1.")


class FetchLog(BaseModel):
    """A fetch and what came of it."""

    source: str
    timeframe: str
    records_fetched: int
    records_inserted: int
    response_time_ms: float | None
    success: bool
    quality_score: float | None = Field(
        description="The mean score of the bars of the answer, features and freshness taken as 1."
    )
    compared_with: str | None = Field(description="The source whose answer was weighed against it, if it was poor.")
    compared_score: float | None = Field(description="How good that one was; bars of the better answer were kept.")
    error_class: str | None = Field(description="The kind of error, such as RateLimited or Unauthorized.")
    timestamp: Instant


class Quality(BaseModel):
    """How good the data of an instrument were lately."""

    symbol: str
    asset_class: str
    period_days: int
    summary: Summary
    daily_metrics: list[Day] = Field(description="Newest first.")
    recent_fetch_logs: list[FetchLog] = Field(description="The latest twenty, newest first.")
    timestamp: Instant


class Anomaly(BaseModel):
    """A cause of doubt, with its proof."""

    id: int
    symbol: str
    asset_class: str
    timeframe: str
    anomaly_type: str = Field(description="gap, outlier, stale, duplicate, …; real_move and no_trade are no faults.")
    severity: str
    description: str | None
    evidence: dict[str, Any] | list[Any] | None
    data_point_time: Instant | None
    resolution_status: str = Field(description="open, acknowledged or resolved.")
    acknowledged_by: str | None
    acknowledged_at: Instant | None
    note: str | None = Field(description="What whoever has seen it had to say.")
    resolved_at: Instant | None
    created_at: Instant


class Anomalies(BaseModel):
    """A page of anomalies, the latest first."""

    count: int
    next_cursor: str | None = Field(description="Leads to the next page; null on the last one.")
    data: list[Anomaly]


class AskedAnomalies(BaseModel):
    """Which anomalies are wanted."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    symbol: str | None = Field(default=None, description="Only of this symbol.")
    asset_class: str | None = Field(default=None, description="stock, etf or crypto.")
    timeframe: str | None = Field(default=None, description="Only of this timeframe.")
    type: str | None = Field(default=None, description="gap, outlier, stale, duplicate, real_move, no_trade, …")
    severity: Literal["low", "medium", "high", "critical"] | None = Field(default=None, description="How bad it is.")
    status: Literal["open", "acknowledged", "resolved"] | None = Field(default=None, description="How far it has come.")
    limit: int = Field(default=100, ge=1, le=1000, description="Anomalies in a page.")
    cursor: str | None = Field(default=None, description="`next_cursor` of the page before, with the same query.")

    def wanted(self, db: Database) -> Wanted:
        """The same for the store; UnknownSymbol (404), InvalidTimeframe and InvalidAssetClass (400)."""
        symbol, asset_class = self.symbol, None if self.asset_class is None else AssetClass.of(self.asset_class)
        if symbol is not None:
            found = instruments.find(db, symbol, asset_class)
            symbol, asset_class = found.symbol, found.asset_class
        timeframe = None if self.timeframe is None else Timeframe.of(self.timeframe)
        asked = (timeframe, self.type, self.severity, self.status)
        return Wanted(symbol, asset_class, *asked, before=behind(self.cursor))


class Acknowledgement(BaseModel):
    """Who has seen an anomaly."""

    model_config = ConfigDict(extra="forbid")

    author: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description="Who has seen it; whoever calls with a key is noted by its name, with the author beside it.",
        examples=["ann"],
    )


@router.get("/quality/{symbol}", summary="Quality of a symbol")
def of_symbol(
    db: Stored,
    symbol: Annotated[str, Path(description="As you write it: AAPL, BRK.B, BTC.")],
    days: Annotated[int, Query(ge=1, le=365, description="So many days up to today.")] = 7,
    asset_class: Class = None,
) -> Quality:
    """How good the data of each day were, all timeframes together, and the latest fetches.

    Days on which no bar is expected are left out. Means are weighted by records.
    """
    kind = None if asset_class is None else AssetClass.of(asset_class)
    return Quality(**quality.data_quality(db, symbol, days, kind))


@router.get("/anomalies", summary="Anomalies")
def anomalies(db: Stored, asked: Annotated[AskedAnomalies, Query()]) -> Anomalies:
    """What is or was wrong, one row a cause, the latest first, each with its evidence."""
    found = quality.listed_anomalies(db, asked.wanted(db), asked.limit)
    more = str(found[-1]["id"]) if len(found) == asked.limit else None
    return Anomalies(count=len(found), next_cursor=more, data=[Anomaly(**row) for row in found])


@router.post("/anomalies/{number}/acknowledge", summary="Acknowledge an anomaly")
def acknowledge(
    db: Stored,
    signed: Signed,
    number: Annotated[int, Path(ge=1, le=MOST, description="Its `id`.")],
    seen: Acknowledgement,
) -> Anomaly:
    """Note who has seen it: the key that calls, and the author if the body names one. The first one stays noted.

    It is resolved by itself when its cause is gone.
    """
    return Anomaly(**quality.acknowledge_anomaly(db, number, signed.of(seen.author)))
