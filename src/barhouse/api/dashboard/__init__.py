"""Pages for people, made on the server; nothing in them is fetched from elsewhere."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import jinja2
from fastapi import APIRouter, FastAPI, Query
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

from barhouse.api.asking import FEATURES
from barhouse.api.dashboard.charts import NOTHING, chart, sparkline, written
from barhouse.api.deps import Stored
from barhouse.errors import RequestError
from barhouse.flow import instruments
from barhouse.model import AssetClass, Series, Timeframe, instant
from barhouse.store import coverage, quarantine, reading
from barhouse.store.postgres import Database
from barhouse.store.reading import Selection

HERE = Path(__file__).parent
CANDLES, CLOSES, ROWS = 120, 60, 10

router = APIRouter(include_in_schema=False)
pages = jinja2.Environment(
    loader=jinja2.FileSystemLoader(HERE / "templates"), autoescape=True, trim_blocks=True, lstrip_blocks=True
)


def _day(moment: datetime | None) -> str:
    return instant(moment)[:10] if moment else NOTHING


def _moment(moment: datetime | None) -> str:
    """An instant to the minute; the day alone for a bar of a day."""
    return instant(moment)[:16].replace("T", " ").removesuffix(" 00:00") if moment else NOTHING


pages.filters |= {"day": _day, "moment": _moment, "number": written, "points": sparkline}


@router.get("/")
def index(db: Stored) -> HTMLResponse:
    """What the warehouse holds: totals, and every series with the course of its closes."""
    totals, series = instruments.totals(db), instruments.described(db, CLOSES)
    return _page("index.html", totals=totals, series=series)


@router.get("/series/{symbol}")
def series(
    symbol: str,
    db: Stored,
    timeframe: str = "1d",
    asset_class: Annotated[str | None, Query()] = None,
) -> HTMLResponse:
    """One series: its latest bars as candles, its features, where it came from, and what was turned away."""
    try:
        wanted = None if asset_class is None else AssetClass.of(asset_class)
        shown = Series(instruments.find(db, symbol, wanted), Timeframe.of(timeframe))
    except RequestError as error:
        return _page("error.html", error.status, detail=str(error))
    return _page("series.html", **_told(db, shown))


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


def _page(template: str, status: int = 200, **told: Any) -> HTMLResponse:
    return HTMLResponse(pages.get_template(template).render(**told), status)


@router.get("/docs")
async def docs() -> HTMLResponse:
    """The API, to read and to try."""
    return get_swagger_ui_html(
        openapi_url="/openapi.json",
        title="Barhouse API",
        swagger_js_url="/static/swagger-ui/swagger-ui-bundle.js",
        swagger_css_url="/static/swagger-ui/swagger-ui.css",
        swagger_favicon_url="/static/icon.svg",
    )


def serve_files(app: FastAPI) -> None:
    """Let `app` give out the style sheet and what else pages need."""
    app.mount("/static", StaticFiles(directory=HERE / "static"), name="static")
