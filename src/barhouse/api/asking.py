"""What callers ask for, parsed at the edge."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Literal

import anyio
from pydantic import BaseModel, ConfigDict, Field

from barhouse import features
from barhouse.api.deps import Warehouse
from barhouse.api.quick import Found
from barhouse.errors import InvalidParameter, UnknownSymbol
from barhouse.flow import instruments
from barhouse.model import AssetClass, Span, Timeframe, moment
from barhouse.store.reading import ALL_TIME, Selection

MOST = 50_000
"""The longest page of JSON."""
USUAL = 1_000
"""The length of a page if nobody says."""
FEATURES = tuple(features.registry)


class AskedSeries(BaseModel):
    """Which series of a symbol is wanted, and which of its bars."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    timeframe: str = Field(default="1d", description="1m, 5m, 15m, 30m, 1h, 4h, 1d or 1w.", examples=["1d"])
    asset_class: str | None = Field(
        default=None, description="stock, etf or crypto; needed where a symbol is several instruments."
    )
    session: Literal["regular", "all"] = Field(
        default="regular", description="`all` gives the bars outside the regular session too, marked `extended`."
    )
    validated_only: bool = Field(default=False, description="Leaves out bars that are not validated.")
    min_quality: float = Field(
        default=0.0, ge=0, le=1, allow_inf_nan=False, description="Leaves out bars with a lower quality score."
    )

    @property
    def wanted_timeframe(self) -> Timeframe:
        """The timeframe; InvalidTimeframe (400)."""
        return Timeframe.of(self.timeframe)

    @property
    def wanted_class(self) -> AssetClass | None:
        """The asset class, if one is named; InvalidAssetClass (400)."""
        return None if self.asset_class is None else AssetClass.of(self.asset_class)

    def selection(self, found: Found, *, features: bool) -> Selection:
        """All bars of the series that are wanted."""
        return Selection(
            found.series,
            validated_only=self.validated_only,
            min_quality=self.min_quality,
            extended=self.session == "all",
            features=FEATURES if features else (),
        )


class Asked(AskedSeries):
    """Which span of a series is wanted, in which form."""

    start: str | None = Field(
        default=None,
        description="The first instant that is wanted; a bare date is 00:00Z. Left out: from the first bar on.",
        examples=["2012-01-01"],
    )
    end: str | None = Field(
        default=None,
        description="The first instant that is not wanted any more. Left out: up to the newest bar.",
        examples=["2013-01-01"],
    )
    limit: int | None = Field(
        default=None,
        ge=1,
        description=f"Bars in a page of JSON: up to {MOST}, {USUAL} if left out. Other formats give all if left out.",
    )
    format: Literal["json", "csv", "ndjson", "arrow", "parquet"] = Field(
        default="json",
        description="json comes by the page; csv, ndjson, arrow (an IPC stream) and parquet are streamed whole.",
    )
    cursor: str | None = Field(default=None, description="`next_cursor` of the page before, with the same query.")

    @property
    def span(self) -> Span:
        """From start to end, open ends being those of all time."""
        return Span(
            ALL_TIME.start if self.start is None else moment(self.start),
            ALL_TIME.end if self.end is None else moment(self.end),
        )

    @property
    def page(self) -> int:
        """How many bars a page of JSON has; InvalidParameter (422) beyond the most."""
        if (self.limit or USUAL) > MOST:
            raise InvalidParameter(
                f"limit: a page of JSON has at most {MOST} bars; follow next_cursor, or ask for arrow"
            )
        return self.limit or USUAL

    def selection(self, found: Found, *, features: bool) -> Selection:
        """The bars that are left to give behind the cursor."""
        selection = replace(super().selection(found, features=features), span=self.span)
        return selection if self.cursor is None else selection.after(behind(self.cursor))


def cursor(last: datetime) -> str:
    """What leads to the page behind the bar at `last`."""
    microseconds = (last - ALL_TIME.start) // timedelta(microseconds=1)
    return urlsafe_b64encode(microseconds.to_bytes(8, "big")).decode().rstrip("=")


def behind(text: str) -> datetime:
    """The time of the last bar of the page before; InvalidParameter (422) for what no answer ever gave."""
    try:
        microseconds = int.from_bytes(decoded(text), "big")
        moment = ALL_TIME.start + timedelta(microseconds=microseconds)
    except (ValueError, OverflowError):
        moment = ALL_TIME.end
    if moment >= ALL_TIME.end or cursor(moment) != text:
        raise InvalidParameter("cursor: this is none; give the next_cursor of the page before")
    return moment


def decoded(text: str) -> bytes:
    """The bytes of a cursor; none for what no answer ever gave."""
    try:
        return urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return b""


async def found(warehouse: Warehouse, symbol: str, asked: AskedSeries) -> Found:
    """The series that is asked for; UnknownSymbol (404), AmbiguousSymbol (409)."""
    timeframe, asset_class = asked.wanted_timeframe, asked.wanted_class
    exact = await warehouse.quick.found(symbol, timeframe, asset_class)
    if exact is not None:
        return exact
    meant = await anyio.to_thread.run_sync(instruments.find, warehouse.db, symbol, asset_class)
    known = await warehouse.quick.found(meant.symbol, timeframe, meant.asset_class)
    if known is None:
        raise UnknownSymbol(symbol)
    return known
