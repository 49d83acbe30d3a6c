"""The page of one series: its chart with all that is known of its bars."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel, ConfigDict

from barhouse import features
from barhouse.api.asking import FEATURES
from barhouse.api.dashboard.frame import link, page
from barhouse.api.deps import Stored
from barhouse.errors import InvalidParameter
from barhouse.flow import actions, instruments, management, presence, quality, quarantine, reads, rewritten, sessions
from barhouse.model import Adjust, AssetClass, Instrument, Series, Span, Timeframe, instant, moment
from barhouse.store import reading
from barhouse.store.anomalies import Wanted
from barhouse.store.postgres import Database
from barhouse.store.reading import NEWEST, Selection

ROWS = 30
"""Bars, anomalies and corrections that are listed; the API has them all."""
FETCHES = 10
DAYS = 60
"""Days of the quality report."""
MOST = 50_000
"""Slots that a chart may ask for at a time."""

ADJUSTMENTS = {"none": "as traded", "splits": "splits", "all": "splits and dividends"}
FORMATS = ("csv", "parquet", "arrow", "json")

router = APIRouter(include_in_schema=False)


class AskedChart(BaseModel):
    """Which series of a symbol is to be seen, and as known when; what is left empty is as usual."""

    model_config = ConfigDict(frozen=True)

    timeframe: str = ""
    asset_class: str = ""
    adjust: str = "none"
    as_of: str = ""


@dataclass(frozen=True, slots=True)
class Shown:
    """The series that is seen, and how."""

    series: Series
    adjust: Adjust
    as_of: datetime | None
    kept: list[dict[str, Any]]
    """What is stored of the instrument, a row a timeframe."""

    @property
    def selection(self) -> Selection:
        """Its bars with all features."""
        return Selection(self.series, features=FEATURES, adjust=self.adjust, as_of=self.as_of)

    @property
    def own(self) -> dict[str, Any] | None:
        """What is stored of the series itself; None where nothing is."""
        return next((row for row in self.kept if row["timeframe"] == self.series.timeframe and row["bars"]), None)

    @property
    def asked(self) -> dict[str, Any]:
        """The same as parameters of our endpoints."""
        then = None if self.as_of is None else instant(self.as_of)
        adjust = None if self.adjust is Adjust.NONE else self.adjust
        return {**self.of_series, "adjust": adjust, "as_of": then}

    @property
    def of_series(self) -> dict[str, Any]:
        """The series as parameters of our endpoints."""
        return {"timeframe": self.series.timeframe, "asset_class": self.series.instrument.asset_class}


@router.get("/series/{symbol:path}")
async def former(request: Request, symbol: str) -> RedirectResponse:  # noqa: ARG001
    """Where the page of a series was."""
    return RedirectResponse(str(request.url).replace("/series/", "/dashboard/symbols/", 1), 308)


@router.get("/dashboard/symbols/{symbol:path}")
def one(request: Request, symbol: str, db: Stored, asked: Annotated[AskedChart, Query()]) -> HTMLResponse:
    """One series: its chart, its features, how good it is, where it came from, and what was turned away."""
    return page(request, "symbol.html", **_told(db, _shown(db, symbol, asked)))


@router.get("/dashboard/absences/{symbol:path}")
def absences(symbol: str, start: str, end: str, db: Stored, asked: Annotated[AskedChart, Query()]) -> dict[str, Any]:
    """The slots of a series in a span that hold no bar, in runs: `gaps`, each a state and its epoch seconds."""
    series = wanted(db, symbol, asked.timeframe, asked.asset_class)
    span = Span(moment(start), moment(end))
    if span.duration > MOST * series.timeframe.duration:
        raise InvalidParameter(f"end: {MOST} slots at a time, please")
    slots = presence.slots(db, series, span, datetime.now(UTC), _instant(asked.as_of))
    runs = presence.gaps(slots).iter_rows()
    return {"gaps": [(state, [int(time.timestamp()) for time in times]) for state, times in runs]}


def wanted(db: Database, symbol: str, timeframe: str, asset_class: str) -> Series:
    """The series that is meant: of its days if no timeframe is named. UnknownSymbol (404), AmbiguousSymbol (409)."""
    instrument = instruments.find(db, symbol, AssetClass.of(asset_class) if asset_class else None)
    return Series(instrument, Timeframe.of(timeframe or Timeframe.D1))


def _shown(db: Database, symbol: str, asked: AskedChart) -> Shown:
    instrument = wanted(db, symbol, asked.timeframe, asked.asset_class).instrument
    kept: list[dict[str, Any]] = management.of(db, instrument)["timeframes"]
    series = Series(instrument, Timeframe.of(asked.timeframe) if asked.timeframe else _usual(kept))
    return Shown(series, Adjust.of(asked.adjust), _instant(asked.as_of), kept)


def _usual(kept: list[dict[str, Any]]) -> Timeframe:
    """The days, or the shortest bars that are stored where there are no days."""
    stored = [Timeframe.of(row["timeframe"]) for row in kept if row["bars"]]
    return Timeframe.D1 if Timeframe.D1 in stored or not stored else stored[0]


def _instant(text: str) -> datetime | None:
    return moment(text) if text else None


def _told(db: Database, shown: Shown) -> dict[str, Any]:
    """What the page of a series shows."""
    instrument = shown.series.instrument
    bars = reads.newest(db, shown.selection, NEWEST)
    rows = bars.tail(ROWS).reverse().to_dicts()
    zone = sessions.calendar(db, instrument.exchange).zone
    return {
        "shown": shown,
        "series": shown.series,
        "instrument": instrument,
        "own": shown.own,
        "last": rows[0] if rows else None,
        "mean_quality": bars["quality_score"].mean(),
        "bars": rows,
        "features": features.registry,
        "adjustments": ADJUSTMENTS,
        "zone": zone,
        "drawn": _drawn(shown, zone),
        "exports": {each: _address(shown, format=each) for each in FORMATS},
        **_history(db, shown),
    }


def _history(db: Database, shown: Shown) -> dict[str, Any]:
    """What befell the series: judgements, corrections, fetches, actions, what was turned away."""
    instrument, timeframe = shown.series.instrument, shown.series.timeframe
    symbol, asset_class = instrument.symbol, instrument.asset_class
    with db.connection() as connection:
        fetches = reading.fetches(connection, shown.series, FETCHES)
    _, corrected = rewritten.corrections(db, symbol, asset_class=asset_class, timeframe=timeframe, limit=ROWS)
    return {
        "quality": quality.data_quality(db, symbol, DAYS, asset_class),
        "anomalies": quality.listed_anomalies(db, Wanted(symbol, asset_class, timeframe, faults=True), ROWS),
        "corrections": corrected,
        "fetches": fetches,
        "actions": actions.corporate_actions(db, symbol, asset_class, shown.as_of)[1],
        "quarantined": quarantine.listed_quarantine(db, symbol, timeframe, asset_class, limit=FETCHES),
    }


def _address(shown: Shown, **more: Any) -> str:
    return link(f"/api/v1/historical/{_path(shown.series.instrument)}", **shown.asked, **more)


def _path(instrument: Instrument) -> str:
    return quote(instrument.symbol, safe="")


def _drawn(shown: Shown, zone: str) -> dict[str, Any]:
    """What the script that draws the chart is told."""
    own, crypto = shown.own, shown.series.instrument.asset_class is AssetClass.CRYPTO
    return {
        "symbol": shown.series.instrument.symbol,
        "minutes": shown.series.timeframe.minutes,
        "zone": zone,
        "always_open": crypto,
        "asked": shown.asked,
        "first": own and instant(own["first_bar"]),
        "last": own and instant(own["last_bar"]),
        "features": {each.name: each.text for each in features.registry.values() if crypto or not each.crypto_only},
    }
