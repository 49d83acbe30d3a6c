"""What there is of each series and what is not: all of them in a list, one as a calendar."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response
from markupsafe import Markup
from pydantic import BaseModel, ConfigDict, Field

from barhouse.api.dashboard import calendars
from barhouse.api.dashboard.forms import Form, Sent
from barhouse.api.dashboard.frame import is_swapped, page, part, said
from barhouse.api.dashboard.lists import AskedList, told
from barhouse.api.dashboard.symbol import wanted
from barhouse.api.deps import Actor, Stored
from barhouse.errors import InvalidParameter
from barhouse.flow import management, presence, sessions, triggers
from barhouse.flow.presence import Presence
from barhouse.model import Series, Span, Timeframe
from barhouse.store import catalogue, coverage
from barhouse.store.postgres import Database

YEARS, FINE_YEARS = 8, 1
"""Years that a calendar shows at a time, fewer where bars are shorter than an hour."""
STRETCHES, ASKED = 100, 40
"""Rows of the tables below the calendar."""

MEANING = {
    Presence.PRESENT: "present",
    Presence.NO_TRADE: "no trade",
    Presence.MISSING: "missing",
    Presence.FAILED: "failed",
    Presence.VENDOR_EMPTY: "vendor has none",
    Presence.QUARANTINED: "quarantined",
    Presence.UNASKED: "not asked for",
    Presence.UNREACHABLE: "out of reach",
}
"""How days stand, in words."""
READ = (Presence.MISSING, Presence.VENDOR_EMPTY, Presence.QUARANTINED, Presence.UNREACHABLE)
"""What was asked for already, so that only asking again can mend it."""

PATH = "/dashboard/coverage"
router = APIRouter(include_in_schema=False)


class AskedHoles(AskedList):
    """The same, with what lacks most in front."""

    sort: str = "-absent"


class AskedYears(BaseModel):
    """Which calendar is to be seen, up to which year; what is left empty is as usual."""

    model_config = ConfigDict(frozen=True)

    timeframe: str = ""
    asset_class: str = ""
    year: int | None = Field(default=None, ge=1970, le=2100)


@router.get(PATH)
def listed(request: Request, db: Stored, asked: Annotated[AskedHoles, Query()]) -> Response:
    """Every series with what is absent in it; the list alone where it is swapped."""
    with db.connection() as connection:
        rows = catalogue.holes(connection, asked.listing(catalogue.ABSENT))
    shown = told(PATH, asked, rows)
    if is_swapped(request):
        return part(request, "parts/holes.html", **shown)
    return page(request, "holes.html", **shown)


@router.get(f"{PATH}/{{symbol:path}}")
def one(request: Request, symbol: str, db: Stored, asked: Annotated[AskedYears, Query()]) -> HTMLResponse:
    """One series as a calendar, the stretches in which something is absent, and what was asked of whom."""
    series = wanted(db, symbol, asked.timeframe, asked.asset_class)
    return page(request, "coverage.html", **_told(db, series, asked.year, datetime.now(UTC)))


@router.post(f"{PATH}/{{symbol:path}}/backfill")
def backfill(request: Request, symbol: str, db: Stored, actor: Actor, form: Sent) -> HTMLResponse:
    """Ask for a stretch of a series; the answer leads to the job."""
    series = wanted(db, symbol, form.text("timeframe") or "", form.text("asset_class") or "")
    instrument, bounds = series.instrument, _bounds(form)
    frames, refresh = [series.timeframe], form.is_set("refresh")
    job = triggers.backfill(db, [instrument.symbol], instrument.asset_class, frames, bounds, refresh=refresh, by=actor)
    words = Markup('Asked for {} from {} on: <a href="/dashboard/jobs/{}">the job</a>')
    return said(request, words.format(series, bounds[0].date(), job["job_id"]), events="jobs")


def _bounds(form: Form) -> tuple[datetime, datetime]:
    """From where to where; a last day (`through`) is in it. InvalidParameter (422) where an end is missing."""
    start, end, through = form.moment("start"), form.moment("end"), form.moment("through")
    end = through + timedelta(days=1) if through else end
    if start is None or end is None:
        raise InvalidParameter("Say from which day to which")
    return start, end


def _told(db: Database, series: Series, year: int | None, now: datetime) -> dict[str, Any]:
    kept = management.of(db, series.instrument)["timeframes"]
    with db.connection() as connection:
        asked = coverage.of_series(connection, series)
    told: dict[str, Any] = {
        "series": series,
        "instrument": series.instrument,
        "own": next((row for row in kept if row["timeframe"] == series.timeframe), None),
        "timeframes": [row["timeframe"] for row in kept],
        "meaning": MEANING,
        "read": READ,
        "zone": sessions.calendar(db, series.instrument.exchange).zone,
        "asked": [(source, each) for source, own in asked.items() for each in reversed(own)][:ASKED],
        "shown": None,
    }
    if (extent := presence.extent(db, series, now)) is None:
        return told
    newest = told["own"]["last_bar"] if told["own"] else None
    # The year after the newest bar, so that what is overdue at the turn of a year is seen
    last = year or (newest.year + 1 if newest else now.year)
    return told | _calendar(db, series, extent, max(extent.start.year, min(now.year, last)))


def _calendar(db: Database, series: Series, extent: Span, last: int) -> dict[str, Any]:
    """The years up to `last`, day by day and in stretches; the end of `extent` is now."""
    count = FINE_YEARS if series.timeframe.minutes < Timeframe.H1.minutes else YEARS
    first, now = max(extent.start.year, last + 1 - count), extent.end
    bounds = Span(datetime(first, 1, 1, tzinfo=UTC), datetime(last + 1, 1, 1, tzinfo=UTC))
    span = extent.common(bounds) or extent
    days = presence.days(presence.slots(db, series, span, now))
    lacking = presence.stretches(days).reverse()
    weekly = series.timeframe is Timeframe.W1
    return {
        "shown": (first, last),
        "earlier": first - 1 if extent.start.year < first else None,
        "later": min(now.year, last + count) if last < now.year else None,
        "years": calendars.years(days, span.start.date(), min(date(last, 12, 31), now.date()), weekly=weekly),
        "width": calendars.WIDTH,
        "totals": presence.totals(days),
        "lacking": lacking.head(STRETCHES).to_dicts(),
        "stretches": lacking.height,
        "drawn": {"runs": calendars.runs(days), "weekly": weekly, "words": MEANING},
    }
