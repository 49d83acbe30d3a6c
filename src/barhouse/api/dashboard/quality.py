"""Quality: what is wrong with the data, what was done about it, and how good they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from barhouse.api.dashboard.forms import Sent
from barhouse.api.dashboard.frame import is_swapped, link, page, part, said
from barhouse.api.deps import Stored
from barhouse.api.numbered import behind
from barhouse.checks import GOOD_ENOUGH
from barhouse.errors import AmbiguousSymbol, UnknownSymbol
from barhouse.flow import instruments, quality
from barhouse.model import AssetClass, Timeframe, instant
from barhouse.store.anomalies import Status, Wanted
from barhouse.store.postgres import Database
from barhouse.store.quality import LATELY, Scored

PATH = "/dashboard/quality"
PAGE = 50
"""Rows in a page of a list."""

TYPES = ("gap", "outlier", "duplicate", "stale", "failed_check", "real_move", "no_trade")
SEVERITIES = ("critical", "high", "medium", "low")
TITLES = {"anomalies": "Anomalies", "duplicates": "Duplicates", "quarantine": "Quarantine"} | {
    "corrections": "Corrections",
    "scores": "Scores",
}
"""The tabs, by the last part of their paths."""

Choice = tuple[str, str, str, Sequence[tuple[str, str]]]
"""A field of a filter: its title, its name, what is chosen, and what can be."""

CHANGED = "quality-changed"
"""What the page is told when something was decided: lists on it are read again."""

router = APIRouter(prefix=PATH, include_in_schema=False)


class Asked(BaseModel):
    """Which rows of a list are wanted; what is left empty does not matter."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    symbol: str = Field(default="", max_length=100)
    asset_class: str = ""
    timeframe: str = ""
    status: str = Field(default="", max_length=40)
    cursor: str = Field(default="", max_length=40)

    def narrowed(self) -> dict[str, str | None]:
        """Symbol, class and timeframe; InvalidTimeframe, InvalidAssetClass (400)."""
        if self.timeframe:
            Timeframe.of(self.timeframe)
        if self.asset_class:
            AssetClass.of(self.asset_class)
        told = {"symbol": self.symbol.strip(), "timeframe": self.timeframe, "asset_class": self.asset_class}
        return {name: value or None for name, value in told.items()}

    @property
    def before(self) -> int | None:
        """The number behind which the page goes on; InvalidParameter (422)."""
        return behind(self.cursor or None)


class AskedAnomalies(Asked):
    """Which anomalies are wanted."""

    tab: Literal["", "anomalies", "duplicates", "quarantine", "corrections", "scores"] = ""
    status: Literal["", "open", "acknowledged", "resolved", "all"] = ""
    type: str = Field(default="", max_length=60)
    severity: Literal["", "low", "medium", "high", "critical"] = ""

    def wanted(self, db: Database) -> Wanted:
        """The same for the store: unless it is said otherwise, what is wrong by now. UnknownSymbol (404)."""
        told = self.narrowed()
        if symbol := told["symbol"]:
            told |= _meant(db, symbol, told["asset_class"])
        return Wanted(
            told["symbol"],
            told["asset_class"],
            told["timeframe"],
            type=self.type or None,
            severity=self.severity or None,
            status=self.status if self.status in list(Status) else None,
            faults=not (self.status or self.type),
            before=self.before,
        )


def _meant(db: Database, symbol: str, asset_class: str | None) -> dict[str, str | None]:
    """The symbol as it is kept, of whatever class where it is several; UnknownSymbol (404)."""
    try:
        found = instruments.find(db, symbol, AssetClass.of(asset_class) if asset_class else None)
    except AmbiguousSymbol:
        return {"symbol": symbol.upper()}
    return {"symbol": found.symbol, "asset_class": found.asset_class}


def listed(path: str, asked: Asked, rows: Sequence[Mapping[str, Any]], *, unknown: str = "") -> dict[str, Any]:
    """What a page says of a list whose rows are numbered, of which one more was read than it shows."""
    kept = {name: value for name, value in asked if value and name != "cursor"}
    return {
        "path": path,
        "asked": asked,
        "rows": rows[:PAGE],
        "unknown": unknown,
        "is_narrowed": bool(kept),
        "begin": link(path, **kept) if asked.cursor else None,
        "further": link(path, **kept, cursor=rows[PAGE - 1]["id"]) if len(rows) > PAGE else None,
        "again": link(path, **kept, cursor=asked.cursor),
        "timeframes": list(Timeframe),
        "classes": list(AssetClass),
        "changed": CHANGED,
    }


def shown(request: Request, name: str, **told: Any) -> Response:
    """A tab of these pages, or only its list where a page that stands there asks."""
    if is_swapped(request):
        return part(request, f"parts/{name}.html", **told)
    return page(request, "quality.html", tab=name, titles=TITLES, **told)


def choice(title: str, name: str, chosen: str, first: str, values: Sequence[str]) -> Choice:
    """A field of a filter, whose first choice is to leave it open."""
    return title, name, chosen, [("", first), *((value, value.replace("_", " ")) for value in values)]


@router.get("")
def anomalies(request: Request, db: Stored, asked: Annotated[AskedAnomalies, Query()]) -> Response:
    """What is wrong, one row a cause, the latest first, each with its evidence and the way to its place."""
    if asked.tab not in ("", "anomalies"):
        return RedirectResponse(link(f"{PATH}/{asked.tab}", **asked.narrowed()), 307)
    rows, unknown = list[dict[str, Any]](), ""
    try:
        rows = quality.listed_anomalies(db, asked.wanted(db), PAGE + 1)
    except UnknownSymbol as error:
        unknown = str(error)
    told = listed(PATH, asked, [row | {"place": place(row)} for row in rows], unknown=unknown)
    more = [
        choice("Type", "type", asked.type, "any fault", TYPES),
        choice("Severity", "severity", asked.severity, "any", SEVERITIES),
        choice("Status", "status", asked.status, "not resolved", [*Status, "all"]),
    ]
    return shown(request, "anomalies", **told, more=more, counts=_by_type(quality.counted_anomalies(db)))


@router.post("/acknowledge")
def acknowledge(request: Request, db: Stored, form: Sent) -> HTMLResponse:
    """Note that the caller has seen anomalies, one or many, with his words if he has any."""
    chosen = form.numbers("id")
    new = quality.acknowledge_anomalies(db, chosen, request.state.caller.name, form.text("note"))
    words = f"{new} acknowledged" if new == len(chosen) else f"{new} of {len(chosen)} acknowledged; others were before"
    return said(request, words, events=CHANGED)


def place(row: Mapping[str, Any]) -> str:
    """The way to the bars about what is wrong, on the page of the symbol."""
    told = {"timeframe": row["timeframe"], "asset_class": row["asset_class"]}
    path = f"/dashboard/symbols/{quote(row['symbol'], safe='')}"
    at = row["data_point_time"]
    return link(path, **told, at=None if at is None else instant(at))


def _by_type(counts: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """How many of each type are not resolved, with the worst severity, the worst first."""
    found: dict[str, dict[str, Any]] = {}
    for row in counts:
        kind = found.setdefault(
            row["anomaly_type"], {"type": row["anomaly_type"], "worst": row["severity"], "count": 0}
        )
        kind["count"] += row["found"]
    return list(found.values())


class AskedScores(Asked):
    """Of which series the scores are wanted."""

    page: int = Field(default=1, ge=1, le=100_000)


@router.get("/scores")
def scores(request: Request, db: Stored, asked: Annotated[AskedScores, Query()]) -> Response:
    """How good the newest bars of each series are, and which way that goes."""
    told, path = asked.narrowed(), f"{PATH}/scores"
    since = datetime.now(UTC).date() - timedelta(days=7)
    wanted = Scored(since, told["symbol"], told["timeframe"], told["asset_class"], PAGE, (asked.page - 1) * PAGE)
    rows = [row | {"points": _course(row["course"] or [])} for row in quality.scores(db, wanted)]
    found = rows[0]["found"] if rows else 0
    pages = -(-found // PAGE)
    steps = {"Earlier": asked.page - 1, "Further": asked.page + 1}
    ways = [(words, link(path, **told, page=at)) for words, at in steps.items() if 1 <= at <= pages]
    count = {"found": found, "pages": pages, "ways": ways, "goal": _height(GOOD_ENOUGH), "lately": LATELY}
    return shown(request, "scores", **listed(path, asked, rows), **count, more=[])


def _course(means: Sequence[float]) -> str:
    """The points of a line of scores, which all stand on one scale, so that lines can be compared."""
    step = 120 / max(len(means) - 1, 1)
    return " ".join(f"{number * step:.1f},{_height(mean):.1f}" for number, mean in enumerate(means))


def _height(score: float) -> float:
    """Where a score stands in 28 pixels, which reach from 0.5 to 1."""
    return round(27 - 26 * (min(max(score, 0.5), 1.0) - 0.5) / 0.5, 1)
