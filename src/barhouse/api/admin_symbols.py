"""What is kept up to date: symbols and their timeframes, listed and changed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from barhouse.api.deps import Actor, Configured, Stored
from barhouse.api.numbered import Cursor, behind
from barhouse.api.shapes import Instant
from barhouse.config import Settings
from barhouse.flow import management
from barhouse.flow.instruments import find
from barhouse.flow.track import Promise
from barhouse.model import AssetClass, Instrument, Series, Timeframe, moment
from barhouse.sources import configured as sources_of
from barhouse.store.instruments import Chosen
from barhouse.store.postgres import Database

router = APIRouter(prefix="/api/v1/admin/symbols", tags=["management"])

MOST = 5_000
"""Symbols that one request may name."""

Symbol = Annotated[str, Path(description="As you write it: AAPL, BRK.B, BTC, BTC-USD.", examples=["AAPL"])]
Class = Annotated[
    str | None, Query(alias="asset_class", description="stock, etf or crypto; needed where a symbol is several.")
]
SINCE = Field(default=None, description="From when on bars are wanted; left out: as far back as usual.")


class Body(BaseModel):
    """What somebody wants."""

    model_config = ConfigDict(extra="forbid")


class Timeframes(Body):
    """Timeframes of a symbol."""

    timeframes: list[str] = Field(min_length=1, max_length=8, examples=[["1d", "1h"]])
    since: str | None = SINCE

    @property
    def each(self) -> list[Timeframe]:
        """The timeframes; InvalidTimeframe (400) naming all that are none."""
        return Timeframe.several(self.timeframes)

    @property
    def start(self) -> datetime | None:
        """The start, if one is told; InvalidParameter (422)."""
        return None if self.since is None else moment(self.since)


class Wanted(Timeframes):
    """Symbols to be kept up to date."""

    symbols: list[str] = Field(min_length=1, max_length=MOST, examples=[["AAPL", "MSFT"]])
    asset_class: str | None = Field(
        default=None, description="stock, etf or crypto; left out: the one there is, else stock."
    )
    exchange: str | None = Field(default=None, description="Its calendar: XNYS, XLON, 24/7; left out: as usual.")
    timeframes: list[str] = Field(default=["1d"], min_length=1, max_length=8)


class Changes(Body):
    """What is to be changed; what is left out stays."""

    exchange: str | None = Field(
        default=None, description="Another calendar, as long as no bar is kept by the old one."
    )
    active: bool | None = Field(default=None, strict=True, description="false: fetch nothing any more; true: go on.")
    since: str | None = Field(default=None, description="From when on bars of all tracked timeframes are wanted.")


class Stretch(BaseModel):
    """From start to before end."""

    start: Instant
    end: Instant


class KeptTimeframe(BaseModel):
    """A timeframe of a symbol."""

    timeframe: str
    tracked: bool = Field(description="Whether it is kept up to date, as long as the symbol is active.")
    since: Instant | None
    bars: int
    first_bar: Instant | None
    last_bar: Instant | None
    sources: list[str] | None = Field(
        default=None, description="Who has such bars, first choice first; told where something is tracked anew."
    )
    unreachable: list[Stretch] | None = Field(
        default=None, description="What no configured source has; told where something is tracked anew."
    )


class KeptSymbol(BaseModel):
    """A symbol that is kept."""

    symbol: str
    asset_class: str
    exchange: str
    active: bool = Field(description="Whether anything of it is fetched.")
    created_at: Instant
    timeframes: list[KeptTimeframe]


class KeptSymbols(BaseModel):
    """The symbols that are kept."""

    timestamp: Instant
    count: int = Field(description="Rows in `symbols`.")
    next_cursor: str | None = Field(default=None, description="Leads to the next page; null on the last one.")
    symbols: list[KeptSymbol]


@router.get("", summary="Symbols with what is tracked of them")
def listed(
    db: Stored,
    asset_class: Class = None,
    active: Annotated[bool | None, Query(description="Only those that are, or are not, kept up to date.")] = None,
    text: Annotated[str | None, Query(max_length=100, description="Only symbols that hold this, in any case.")] = None,
    limit: Annotated[int, Query(ge=1, le=MOST, description="Symbols in a page.")] = 1000,
    cursor: Cursor = None,
) -> KeptSymbols:
    """Instruments by symbol, those that were put away too, with their timeframes."""
    wanted = None if asset_class is None else AssetClass.of(asset_class)
    chosen = Chosen(text, wanted, active, behind=behind(cursor), limit=limit)
    rows, more, _ = management.page(db, chosen)
    return _symbols([KeptSymbol(**row) for row in rows], more)


@router.post("", summary="Track symbols")
def create(db: Stored, settings: Configured, by: Actor, wanted: Wanted) -> KeptSymbols:
    """Keep symbols up to date from now on, many at once; those that are already get what is new.

    The schedulers see it when they fire next; `POST backfill` brings the bars at once. The answer says for each
    timeframe who has such bars, and which stretch of time nobody has. One that was put away comes back.
    """
    now = datetime.now(UTC)
    asset = None if wanted.asset_class is None else AssetClass.of(wanted.asset_class)
    series = management.create(db, wanted.symbols, asset, wanted.exchange, wanted.each, wanted.start, now, by=by)
    return _symbols(_promised(db, settings, series, now))


@router.get("/{symbol}", summary="A symbol with what is tracked of it")
def read(db: Stored, symbol: Symbol, asset_class: Class = None) -> KeptSymbol:
    """One instrument with its timeframes."""
    return KeptSymbol(**management.of(db, _found(db, symbol, asset_class)))


@router.patch("/{symbol}", summary="Change a symbol")
def update(db: Stored, by: Actor, symbol: Symbol, changes: Changes, asset_class: Class = None) -> KeptSymbol:
    """Its exchange (409 where bars are kept by the calendar of another), whether it is active, from when on."""
    instrument = _found(db, symbol, asset_class)
    since = None if changes.since is None else moment(changes.since)
    management.change(db, instrument, exchange=changes.exchange, active=changes.active, since=since, by=by)
    return KeptSymbol(**management.of(db, instrument))


@router.delete("/{symbol}", summary="Put a symbol away")
def deactivate(db: Stored, by: Actor, symbol: Symbol, asset_class: Class = None) -> KeptSymbol:
    """Its bars stay and are served; nothing of it is fetched until it is tracked again or made active."""
    instrument = _found(db, symbol, asset_class)
    management.put_away(db, [instrument], by=by)
    return KeptSymbol(**management.of(db, instrument))


@router.get("/{symbol}/timeframes", summary="Timeframes of a symbol")
def timeframes(db: Stored, symbol: Symbol, asset_class: Class = None) -> list[KeptTimeframe]:
    """What is tracked of a symbol, and what is stored."""
    return read(db, symbol, asset_class).timeframes


@router.put("/{symbol}/timeframes", summary="Set the timeframes of a symbol")
def set_timeframes(
    db: Stored, settings: Configured, by: Actor, symbol: Symbol, wanted: Timeframes, asset_class: Class = None
) -> list[KeptTimeframe]:
    """From now on exactly these are kept up to date; the bars of others stay."""
    now = datetime.now(UTC)
    series = management.replace(db, _found(db, symbol, asset_class), wanted.each, wanted.start, now, by=by)
    return _promised(db, settings, series, now)[0].timeframes


@router.post("/{symbol}/timeframes", summary="Track timeframes of a symbol")
def add_timeframes(
    db: Stored, settings: Configured, by: Actor, symbol: Symbol, wanted: Timeframes, asset_class: Class = None
) -> list[KeptTimeframe]:
    """From now on these are kept up to date too."""
    now = datetime.now(UTC)
    series = management.add(db, [_found(db, symbol, asset_class)], wanted.each, wanted.start, now, by=by)
    return _promised(db, settings, series, now)[0].timeframes


@router.delete("/{symbol}/timeframes", summary="Stop tracking timeframes of a symbol")
def drop_timeframes(
    db: Stored,
    by: Actor,
    symbol: Symbol,
    timeframes: Annotated[list[str], Query(min_length=1, description="Those to stop; repeat it for several.")],
    asset_class: Class = None,
) -> list[KeptTimeframe]:
    """From now on these are not fetched any more; their bars stay."""
    instrument = _found(db, symbol, asset_class)
    management.drop(db, [instrument], Timeframe.several(timeframes), by=by)
    return KeptSymbol(**management.of(db, instrument)).timeframes


def _found(db: Database, symbol: str, asset_class: str | None) -> Instrument:
    return find(db, symbol, None if asset_class is None else AssetClass.of(asset_class))


def _symbols(found: list[KeptSymbol], more: int | None = None) -> KeptSymbols:
    following = None if more is None else str(more)
    return KeptSymbols(timestamp=datetime.now(UTC), count=len(found), next_cursor=following, symbols=found)


def _promised(db: Database, settings: Settings, series: Sequence[Series], now: datetime) -> list[KeptSymbol]:
    """The instruments of these series, told with what can be had of them."""
    told = management.promised(db, series, sources_of(settings), now)
    promises = {(each.series.instrument, str(each.series.timeframe)): each for each in told}
    rows = management.kept(db, [each.instrument.number for each in series])
    return [
        KeptSymbol(**row | {"timeframes": [_with(promises, row, one) for one in row["timeframes"]]}) for row in rows
    ]


def _with(
    promises: dict[tuple[Instrument, str], Promise], row: dict[str, Any], timeframe: dict[str, Any]
) -> dict[str, Any]:
    """A timeframe with who has its bars, and since when nobody has them, where it was just asked for."""
    whose = Instrument(row["symbol"], AssetClass(row["asset_class"]), row["exchange"])
    promise = promises.get((whose, timeframe["timeframe"]))
    if promise is None:
        return timeframe
    unreachable = [{"start": part.start, "end": part.end} for part in promise.unreachable]
    return timeframe | {"sources": list(promise.reaching), "unreachable": unreachable}
