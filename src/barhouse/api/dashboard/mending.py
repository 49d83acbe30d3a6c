"""Quality, what is decided: duplicates cleaned and brought back, rows in quarantine, corrections taken back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response
from pydantic import Field

from barhouse import checks
from barhouse.api.dashboard.forms import Form, Sent
from barhouse.api.dashboard.frame import link, part, said
from barhouse.api.dashboard.quality import CHANGED, PAGE, PATH, Asked, choice, listed, place, shown
from barhouse.api.deps import Actor, Stored
from barhouse.errors import AmbiguousSymbol, Conflict, InvalidParameter, RequestError, UnknownSymbol
from barhouse.flow import cleanup, quarantine, rewritten
from barhouse.flow.preview import preview
from barhouse.flow.taking_back import take_back
from barhouse.store.quarantine import Status

DUPLICATES, QUARANTINE, CORRECTIONS = f"{PATH}/duplicates", f"{PATH}/quarantine", f"{PATH}/corrections"
REASONS = ("source_updated", "manual_correction", "bug_fix")

router = APIRouter(prefix=PATH, include_in_schema=False)

Rows = list[dict[str, Any]]


class AskedRows(Asked):
    """Which rows in quarantine are wanted: unless it is said otherwise, those over which nobody has decided."""

    status: Literal["", "quarantined", "released", "rejected", "all"] = ""
    reason: str = Field(default="", max_length=60)


class AskedCorrections(Asked):
    """Which corrections are wanted."""

    reason: Literal["", "source_updated", "manual_correction", "bug_fix"] = ""


def _found(read: Callable[[], Rows]) -> tuple[Rows, str]:
    """The rows, or why there are none: a symbol that nobody keeps, or that is several, as people write in a filter."""
    try:
        return read(), ""
    except (UnknownSymbol, AmbiguousSymbol) as error:
        return [], str(error)


@router.get("/duplicates")
def duplicates(request: Request, db: Stored, asked: Annotated[Asked, Query()]) -> Response:
    """The log of cleaned slots, the latest first; what a cleanup would do now is read by itself."""
    told = asked.narrowed()
    rows, unknown = _found(lambda: cleanup.cleanups(db, **told, before=asked.before, limit=PAGE + 1))
    preview_at = "" if unknown else link(f"{DUPLICATES}/preview", **told)
    return shown(request, "duplicates", **listed(DUPLICATES, asked, rows, unknown=unknown), preview=preview_at, more=[])


@router.get("/duplicates/preview")
def previewed(request: Request, db: Stored, asked: Annotated[Asked, Query()]) -> Response:
    """What a cleanup would do now: which bars go, which stay, and why."""
    found = preview(db, **asked.narrowed())
    return part(request, "parts/preview.html", found=found, asked=asked, path=DUPLICATES)


@router.post("/duplicates/clean")
def clean(request: Request, db: Stored, by: Actor, form: Sent) -> HTMLResponse:
    """Clean the slots that the preview showed."""
    where = [form.text(name) for name in ("symbol", "timeframe", "asset_class")]
    told = cleanup.cleanup_duplicate_records(db, where[0], where[1], asset_class=where[2], by=by)
    slots, removed = told["total_duplicates_found"], told["total_records_removed"]
    words = f"{removed} bars taken out of {slots} slots; that can be undone"
    return said(request, words, events=CHANGED)


@router.post("/duplicates/undo")
def undo(request: Request, db: Stored, by: Actor, form: Sent) -> HTMLResponse:
    """Bring back what cleanups of one or several slots took out."""
    return _each(request, form, lambda number: cleanup.undo_cleanup(db, number, by=by), "undone")


def _each(request: Request, form: Form, do: Callable[[int], object], done: str) -> HTMLResponse:
    """Do something with each row that was chosen, each by itself; says how many, and what was in the way of others."""
    refusals, numbers = list[RequestError](), form.numbers("id")
    for number in numbers:
        try:
            do(number)
        except (Conflict, InvalidParameter) as error:
            refusals.append(error)
    if len(refusals) == len(numbers):
        raise refusals[0]
    words = f"{len(numbers) - len(refusals)} {done}"
    if refusals:
        return said(request, f"{words}, {len(refusals)} not: {refusals[0]}", bad=True, events=CHANGED)
    return said(request, words, events=CHANGED)


@router.get("/quarantine")
def rows(request: Request, db: Stored, asked: Annotated[AskedRows, Query()]) -> Response:
    """Rows that sources sent and that are no bars, the latest first: what came, why it was turned away, what became."""
    more = [
        choice("Status", "status", asked.status, "undecided", [*Status, "all"]),
        choice("Check", "reason", asked.reason, "any", _hard_checks()),
    ]
    told = asked.narrowed() | {"reason": asked.reason or None, "status": _status(asked)}
    found, unknown = _found(lambda: quarantine.listed_quarantine(db, **told, before=asked.before, limit=PAGE + 1))
    return shown(request, "quarantine", **listed(QUARANTINE, asked, _placed(found, "time"), unknown=unknown), more=more)


def _status(asked: AskedRows) -> str | None:
    return None if asked.status == "all" else asked.status or Status.QUARANTINED


def _hard_checks() -> list[str]:
    return sorted(name for name, each in checks.registry.items() if each.kind is checks.Kind.HARD)


@router.post("/quarantine/decide")
def decide(request: Request, db: Stored, form: Sent) -> HTMLResponse:
    """Judge rows anew, make bars of them, or say for good that they are none."""
    ids, by = form.numbers("id"), request.state.caller.name
    match form.needed("action"):
        case "rejudge":
            told = quarantine.rejudge(db, ids=ids)
            words = f"{told['judged']} judged again, {told['released']} of them are bars now"
        case "release":
            replace = form.is_set("replace")
            told = quarantine.release(db, ids, reason=form.needed("reason"), author=by, replace=replace)
            words = f"{told['released']} released: bars by hand, never validated"
        case "reject":
            words = (
                f"{quarantine.reject(db, ids, reason=form.needed('reason'), author=by)['rejected']} rejected for good"
            )
        case other:
            raise InvalidParameter(f"action: {other!r} is none of rejudge, release, reject")
    return said(request, words, events=CHANGED)


@router.get("/corrections")
def corrections(request: Request, db: Stored, asked: Annotated[AskedCorrections, Query()]) -> Response:
    """What was rewritten of stored bars, a row a field, the latest first."""
    told = asked.narrowed() | {"reason": asked.reason or None}
    found, unknown = _found(lambda: rewritten.latest_corrections(db, **told, behind=asked.before, limit=PAGE + 1))
    more = [choice("Reason", "reason", asked.reason, "any", REASONS)]
    rows = _placed(found, "timestamp")
    return shown(request, "corrections", **listed(CORRECTIONS, asked, rows, unknown=unknown), more=more)


@router.post("/corrections/take-back")
def taken_back(request: Request, db: Stored, form: Sent) -> HTMLResponse:
    """Let fields say again what they said before a correction."""
    by, why = request.state.caller.name, form.text("reason")
    return _each(request, form, lambda number: take_back(db, number, author=by, reason=why), "taken back")


def _placed(found: Sequence[Mapping[str, Any]], column: str) -> Rows:
    """Rows with the way to their place on the page of the symbol."""
    return [{**row, "place": place({**row, "data_point_time": row[column]})} for row in found]
