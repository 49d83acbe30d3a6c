"""The pages of the series."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from barhouse.api.asking import FEATURES
from barhouse.api.dashboard.charts import chart
from barhouse.api.dashboard.frame import page
from barhouse.api.deps import Stored
from barhouse.flow import instruments
from barhouse.model import AssetClass, Series, Timeframe
from barhouse.store import coverage, quarantine, reading
from barhouse.store.postgres import Database
from barhouse.store.reading import Selection

CANDLES, CLOSES, ROWS = 120, 60, 10

router = APIRouter(include_in_schema=False)


@router.get("/series/{symbol}")
async def former(request: Request, symbol: str) -> RedirectResponse:  # noqa: ARG001
    """Where the page of a series was."""
    return RedirectResponse(str(request.url).replace("/series/", "/dashboard/symbols/", 1), 308)


@router.get("/dashboard/symbols")
def index(request: Request, db: Stored) -> HTMLResponse:
    """Every series with the course of its closes."""
    return page(request, "index.html", series=instruments.described(db, CLOSES))


@router.get("/dashboard/symbols/{symbol}")
def series(
    request: Request,
    symbol: str,
    db: Stored,
    timeframe: str = "1d",
    asset_class: Annotated[str | None, Query()] = None,
) -> HTMLResponse:
    """One series: its latest bars as candles, its features, where it came from, and what was turned away."""
    wanted = None if asset_class is None else AssetClass.of(asset_class)
    shown = Series(instruments.find(db, symbol, wanted), Timeframe.of(timeframe))
    return page(request, "series.html", **_told(db, shown))


def _told(db: Database, series: Series) -> dict[str, Any]:
    """What the page of a series shows."""
    bars = reading.newest(db, Selection(series, features=FEATURES), CANDLES)
    with db.connection() as connection:
        kept = [row for row in reading.described(connection) if _of(row, series)]
        turned_away = quarantine.listed(connection, series.instrument.number)
        asked = coverage.of_series(connection, series)
        fetches = reading.fetches(connection, series, ROWS)
    last = bars.tail(1).to_dicts()
    return {
        "series": series,
        "kept": kept,
        "own": next((row for row in kept if row["timeframe"] == series.timeframe), None),
        "last": last[0] if last else None,
        "features": FEATURES,
        "chart": chart(bars),
        "coverage": [(source, stretch) for source, stretches in asked.items() for stretch in stretches[-ROWS:]],
        "fetches": fetches,
        "quarantined": [row for row in turned_away if row["timeframe"] == series.timeframe][:ROWS],
    }


def _of(row: dict[str, Any], series: Series) -> bool:
    return (row["symbol"], row["asset_class"]) == (series.instrument.symbol, series.instrument.asset_class)
