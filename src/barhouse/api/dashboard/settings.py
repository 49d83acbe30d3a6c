"""Settings: what is kept up to date, the schedules, who is told of alerts, and what is configured."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from barhouse.alerts import RULES, channels
from barhouse.api.dashboard.forms import Form, Sent
from barhouse.api.dashboard.frame import is_swapped, link, page, part, said
from barhouse.api.deps import Actor, Configured, Stored
from barhouse.config import Settings, origins
from barhouse.config.loading import doubts
from barhouse.errors import InvalidParameter, SettingsError
from barhouse.flow import management, scheduling, triggers
from barhouse.flow.alerting import tried
from barhouse.flow.track import Promise
from barhouse.model import AssetClass, Instrument, Series, Timeframe
from barhouse.sources import configured as sources_of
from barhouse.store import incidents
from barhouse.store.instruments import Chosen
from barhouse.store.postgres import Database
from barhouse.store.schedules import Name

PATH = "/dashboard/settings"
PAGE = 50
"""Symbols in a page of the list."""

MOST = 5_000
"""Symbols that one form may name."""

DELIVERIES = 50
CHANGED = "settings-changed"
"""What the page is told when something was changed: lists on it are read again."""

TABS = {"symbols": "Symbols", "schedules": "Schedules", "alerts": "Alerts"}
ADMINS = {"keys": "Keys", "configuration": "Configuration"}
"""The tabs, by the last part of their paths, and those that only admins see."""

router = APIRouter(prefix=PATH, include_in_schema=False)


class Asked(BaseModel):
    """Which symbols are wanted; what is left empty does not matter."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tab: Literal["", "symbols", "schedules", "alerts", "keys", "configuration"] = ""
    q: str = Field(default="", max_length=100)
    asset_class: str = ""
    timeframe: str = ""
    state: Literal["", "active", "away"] = ""
    page: int = Field(default=1, ge=1, le=100_000)

    @property
    def chosen(self) -> Chosen:
        """The same for the store; InvalidTimeframe and InvalidAssetClass (400)."""
        return Chosen(
            self.q.strip() or None,
            AssetClass.of(self.asset_class) if self.asset_class else None,
            {"active": True, "away": False}.get(self.state),
            Timeframe.of(self.timeframe) if self.timeframe else None,
            limit=PAGE,
            offset=(self.page - 1) * PAGE,
        )


def shown(request: Request, name: str, **told: Any) -> Response:
    """A tab of these pages, or only its part where a page that stands there asks."""
    told |= {"changed": CHANGED}
    if is_swapped(request):
        return part(request, f"parts/{name}.html", **told)
    return page(request, "settings.html", tab=name, tabs=TABS, admins=ADMINS, **told)


@router.get("")
def symbols(request: Request, db: Stored, asked: Annotated[Asked, Query()]) -> Response:
    """What is kept up to date: symbols by the page, each with its timeframes."""
    if asked.tab not in ("", "symbols"):
        return RedirectResponse(f"{PATH}/{asked.tab}", 307)
    rows, _, found = management.page(db, asked.chosen)
    kept = {name: value for name, value in asked if value and name not in ("page", "tab")}
    pages = -(-found // PAGE)
    steps = {"Earlier": asked.page - 1, "Further": asked.page + 1}
    told = {
        "ways": [(words, link(PATH, **kept, page=at)) for words, at in steps.items() if 1 <= at <= pages],
        "again": link(PATH, **kept, page=asked.page),
        "is_narrowed": bool(kept) or asked.page > 1,
        "timeframes": list(Timeframe),
        "classes": list(AssetClass),
    }
    return shown(request, "kept", rows=rows, found=found, pages=pages, asked=asked, path=PATH, **told)


@router.post("/symbols")
def track(request: Request, db: Stored, settings: Configured, by: Actor, form: Sent) -> Response:
    """Keep symbols up to date from now on, many at once; says of which nobody has bars, or not from the start."""
    now, wanted = datetime.now(UTC), _symbols(form)
    frames = Timeframe.several(form.several("timeframes") or ["1d"])
    asset = None if (told := form.text("asset_class")) is None else AssetClass.of(told)
    exchange, since = form.text("exchange"), form.moment("since")
    series = management.create(db, wanted, asset, exchange, frames, since, now, by=by)
    job = _brought(db, series, frames, now, by) if form.is_set("bring") else None
    promises = management.promised(db, series, sources_of(settings), now)
    answer = part(request, "parts/tracked.html", series=series, job=job, **_doubtful(promises))
    answer.headers["HX-Trigger"] = CHANGED
    return answer


def _symbols(form: Form) -> list[str]:
    """The symbols that somebody wrote down, parted by blanks, commas or lines; InvalidParameter (422)."""
    wanted = list(dict.fromkeys(filter(None, re.split(r"[\s,;]+", form.needed("symbols")))))
    if not 0 < len(wanted) <= MOST:
        raise InvalidParameter(f"symbols: 1 to {MOST} at a time, not {len(wanted)}")
    return wanted


def _brought(db: Database, series: Sequence[Series], frames: Sequence[Timeframe], now: datetime, by: str) -> str:
    """The job that brings the bars of these series, by class, since one symbol may be several instruments."""
    classes = {each.instrument.asset_class for each in series}
    jobs = []
    for asset in sorted(classes):
        names = [each.instrument.symbol for each in series if each.instrument.asset_class == asset]
        own = [frame for frame in frames if frame is not Timeframe.M1]
        if own:
            jobs.append(triggers.trigger(db, None, list(dict.fromkeys(names)), asset, own, now, by=by)["job_id"])
    return str(jobs[0]) if jobs else ""


def _doubtful(promises: Sequence[Promise]) -> dict[str, Any]:
    """The series that no source has, and those of which a part is beyond the reach of all."""
    return {
        "nobody": [each.series for each in promises if not each.reaching],
        "short": [(each.series, each.unreachable) for each in promises if each.reaching and each.unreachable],
    }


@router.post("/symbols/change")
def change(request: Request, db: Stored, by: Actor, form: Sent) -> HTMLResponse:
    """Put symbols away or bring them back, track timeframes of them or no more, set from when on; many at once."""
    chosen = management.numbered(db, form.numbers("id"))
    words = _changed(db, chosen, form, by)
    return said(request, f"{_counted(chosen)}: {words}", events=CHANGED)


def _counted(chosen: Sequence[Instrument]) -> str:
    return str(chosen[0]) if len(chosen) == 1 else f"{len(chosen)} symbols"


def _changed(db: Database, chosen: Sequence[Instrument], form: Form, by: str) -> str:
    match form.needed("action"):
        case "away":
            management.put_away(db, chosen, by=by)
            return "put away; their bars stay"
        case "back":
            management.bring_back(db, chosen, by=by)
            return "fetched again"
        case "add":
            series = management.add(db, chosen, _frames(form), form.moment("since"), datetime.now(UTC), by=by)
            return f"{len(series)} series are kept up to date"
        case "drop":
            return f"{management.drop(db, chosen, _frames(form), by=by)} series are kept up to date no more"
        case "since":
            if (since := form.moment("since")) is None:
                raise InvalidParameter("since: say from when on")
            management.begin(db, chosen, since, by=by)
            return f"wanted from {since:%Y-%m-%d} on"
        case other:
            raise InvalidParameter(f"action: {other!r} is none of away, back, add, drop, since")


def _frames(form: Form) -> list[Timeframe]:
    if not (told := form.several("timeframes")):
        raise InvalidParameter("timeframes: choose at least one")
    return Timeframe.several(told)


@router.get("/schedules")
def schedules(request: Request, db: Stored) -> Response:
    """What comes when, who sees to it, what came of it last, and what is paused."""
    return shown(request, "schedules", stands=scheduling.standing(db), now=datetime.now(UTC), path=f"{PATH}/schedules")


@router.post("/schedules/{name}/{action}")
def hold(
    request: Request, db: Stored, settings: Configured, by: Actor, name: Name, action: Literal["pause", "resume", "run"]
) -> HTMLResponse:
    """Pause a schedule, let it go on, or fire it out of its turn."""
    match action:
        case "pause":
            paused = scheduling.pause(db, name, by)
            words = f"Paused: {', '.join(paused)}" if paused else f"{name} was paused already"
        case "resume":
            resumed = scheduling.resume(db, name, by)
            words = f"Goes on: {', '.join(resumed)}" if resumed else f"{name} was not paused"
        case "run":
            scheduling.run_now(db, scheduling.timetable(settings), name, by=by)
            words = f"{name} was fired; its next time stays"
    return said(request, words, events=CHANGED)


@router.get("/alerts")
def alerts(request: Request, db: Stored, settings: Configured) -> Response:
    """Who is told, less what is secret in their addresses, of what, and what was told lately."""
    names, flaw = _channels(settings)
    told = {"channels": names, "flaw": flaw, "rules": _rules(settings), "path": f"{PATH}/alerts"}
    return shown(request, "alerts", deliveries=incidents.deliveries(db, DELIVERIES), **told)


@router.post("/alerts/test")
def test(request: Request, settings: Configured) -> Response:
    """Send a test message by each channel, and tell who took it."""
    known = channels(settings.alert_urls, settings.alert_secret, private_networks=settings.alert_private_networks)
    if not known:
        raise InvalidParameter("Nobody is named to be told: set BARHOUSE_ALERT_URLS")
    return part(request, "parts/tried.html", answers=tried(known), at=datetime.now(UTC))


def _channels(settings: Settings) -> tuple[list[str], str]:
    """The names of the channels, and why there are none though some are set."""
    told = (settings.alert_urls, settings.alert_secret)
    try:
        return [each.name for each in channels(*told, private_networks=settings.alert_private_networks)], ""
    except SettingsError as error:
        return [], str(error)


def _rules(settings: Settings) -> list[Mapping[str, Any]]:
    """The rules as they are set, with what each is about."""
    fields = type(settings.alert_rules).model_fields
    return [
        {
            "name": rule.name,
            "about": fields[rule.name].description,
            "below": rule.below,
            "set": getattr(settings.alert_rules, rule.name),
        }
        for rule in RULES
    ]


@router.get("/configuration")
def configuration(request: Request, settings: Configured) -> Response:
    """Each setting with its value and who says so, as `barhouse config show` has it; secrets stay hidden."""
    return shown(request, "configuration", settings=origins.told(settings), doubts=doubts())
