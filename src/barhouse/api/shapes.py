"""The shapes of answers, as OpenAPI tells them; bars themselves never pass through these models."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

from barhouse.model import instant

Instant = Annotated[datetime, PlainSerializer(instant)]
"""RFC 3339 in UTC, ending in Z."""


class Problem(BaseModel):
    """What is wrong, and what to do."""

    detail: str


class Bar(BaseModel):
    """A bar as traded. Coins have quote_volume and the inputs of their features too; `features=true` adds those."""

    model_config = ConfigDict(extra="allow")

    time: Instant = Field(description="Its open, canonical, in UTC.")
    open: float | None
    high: float | None
    low: float | None
    close: float | None
    volume: float | None
    vwap: float | None = Field(description="Volume-weighted price, where the source sends it.")
    trades: float | None = Field(description="Number of trades, where the source sends it.")
    source: str | None = Field(description="Who told it: polygon, binance, yahoo or file.")
    validated: bool = Field(description="No hard check failed, and the quality score is 0.85 or more.")
    quality_score: float | None = Field(description="0 to 1, out of completeness, checks, features and freshness.")
    flags: str | None = Field(description="The checks that raised a flag, separated by commas.")
    built_from: str | None = Field(
        default=None, description="Of which shorter bars it was built; absent where it is as stored."
    )


class Page(BaseModel):
    """A page of a series."""

    symbol: str
    asset_class: str
    timeframe: str
    start: Instant | None = Field(description="As asked for; null where that end was left open.")
    end: Instant | None
    count: int = Field(description="Rows in `data`.")
    next_cursor: str | None = Field(description="Leads to the next page; null on the last one.")


class BarPage(Page):
    """A page of bars, oldest first."""

    resampled_from: str | None = Field(
        default=None, description="Of which shorter bars these were built; absent where they are as stored."
    )
    data: list[Bar]


class LabelledBar(Bar):
    """A bar of one of several instruments."""

    symbol: str
    asset_class: str


class CrossPage(BaseModel):
    """A page of the bars of several instruments: one after the other, each oldest first."""

    symbols: list[str] = Field(description="Those that were asked for, as they are kept.")
    timeframe: str
    start: Instant | None = Field(description="As asked for; null where that end was left open.")
    end: Instant | None
    count: int = Field(description="Rows in `data`.")
    next_cursor: str | None = Field(description="Leads to the next page; null on the last one.")
    data: list[LabelledBar]


class FeatureRow(Bar):
    """A bar with its features, each under its own name."""

    model_config = ConfigDict(extra="allow")


class DateRange(BaseModel):
    """The times of the first and the last bar of an answer."""

    start: Instant
    end: Instant


class Features(BaseModel):
    """The newest bars with their features, oldest first."""

    symbol: str
    asset_class: str
    timeframe: str
    records_returned: int
    date_range: DateRange | None
    features: list[FeatureRow]
    timestamp: Instant


class Symbols(BaseModel):
    """The symbols that are kept."""

    timestamp: Instant
    count: int
    symbols: list[str] = Field(examples=[["AAPL", "BTC", "SPY"]])


class KeptSeries(BaseModel):
    """What is stored of a series."""

    timeframe: str
    tracked: bool
    since: Instant | None
    bars: int
    first_bar: Instant | None
    last_bar: Instant | None
    quality_score: float | None
    revision: int
    revised_at: Instant | None


class DetailedSymbol(BaseModel):
    """An instrument with its series."""

    symbol: str
    asset_class: str
    exchange: str
    active: bool
    bars: int
    series: list[KeptSeries]


class DetailedSymbols(BaseModel):
    """The instruments that are kept."""

    timestamp: Instant
    count: int
    symbols: list[DetailedSymbol]


class Status(BaseModel):
    """What the warehouse holds in all."""

    timestamp: Instant
    version: str
    instruments: int
    series: int
    tracked: int = Field(description="Series that are kept up to date.")
    bars: int
    first_bar: Instant | None
    last_bar: Instant | None
    revised_at: Instant | None = Field(description="When anything was written last.")
    quarantined: int = Field(description="Rows that failed a hard check and are still in quarantine.")
    fetches: int = Field(description="Fetches within the last day.")
    failed_fetches: int = Field(description="How many of them failed.")


_BINARY = {"schema": {"type": "string", "format": "binary"}}
_STREAMS = {
    "text/csv": {"schema": {"type": "string"}},
    "application/x-ndjson": {"schema": {"type": "string"}},
    "application/vnd.apache.arrow.stream": _BINARY,
    "application/vnd.apache.parquet": _BINARY,
}


def _page(model: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    page: dict[str, Any] = {"model": model, "description": "Oldest first", "content": _STREAMS}
    return {200: page, 304: {"description": "As the ETag of the caller says, nothing has changed"}}


BARS, CROSS = _page(BarPage), _page(CrossPage)
FEATURES: dict[int | str, dict[str, Any]] = {200: {"model": Features}}
