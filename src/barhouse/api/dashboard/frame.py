"""The frame of all pages: how they are made, what they may load, and what they say when something goes wrong."""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit
from zoneinfo import ZoneInfo

import jinja2
from fastapi import Request
from fastapi.responses import HTMLResponse, Response
from markupsafe import Markup, escape
from starlette.responses import FileResponse
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from barhouse.api.dashboard.charts import NOTHING, sparkline, written
from barhouse.model import ALWAYS_OPEN, instant
from barhouse.store.keys import Role

HERE = Path(__file__).parent
STATIC = HERE / "static"

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
"""What a page may load and do: nothing from elsewhere, and no script or style that does not lie in a file."""

HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "private, no-cache",
}

ITEMS = {"": "Overview", "symbols": "Symbols", "coverage": "Coverage", "jobs": "Jobs", "quality": "Quality"} | {
    "settings": "Settings"
}
"""What the pages are called, by the first part of their path below /dashboard."""

FOREVER = "public, max-age=31536000, immutable"

UNITS = ((timedelta(days=1), "d"), (timedelta(hours=1), "h"), (timedelta(minutes=1), "min"))
SIZES = ("B", "KB", "MB", "GB", "TB")

MANY = 4096
"""So many instants and lengths of time are kept as words: a page of thousands of series has few different ones."""

pages = jinja2.Environment(
    loader=jinja2.FileSystemLoader(HERE / "templates"), autoescape=True, trim_blocks=True, lstrip_blocks=True
)


def page(request: Request, name: str, /, status: int = 200, **told: Any) -> HTMLResponse:
    """The page of the template `name`; it knows its caller, what he may do, and where it stands."""
    known = _known(request) | {"status": status}
    return HTMLResponse(pages.get_template(name).render(known | told), status, HEADERS)


def part(request: Request, name: str, /, said: str = "", **told: Any) -> Response:
    """A piece of a page, to be swapped in; with the words of a toast, if there are any.

    304 to who has just this one already, which is how a part that is asked for every few seconds stays still.
    """
    text = pages.get_template(name).render(_known(request) | told)
    if said:
        text += pages.get_template("parts/toast.html").render(words=said, beside=True)
    mark = hashlib.blake2b(text.encode(), digest_size=9).hexdigest()
    headers = HEADERS | {"HX-PTag": mark}
    if request.headers.get("hx-ptag") == mark:
        return Response(status_code=304, headers=headers)
    return HTMLResponse(text, headers=headers)


def said(request: Request, words: str, *, bad: bool = False, status: int = 200, events: str = "") -> HTMLResponse:
    """A toast with these words, wherever the answer was to go; `events` are sent to the page, so that parts renew."""
    text = pages.get_template("parts/toast.html").render(_known(request), words=words, bad=bad)
    told = {"HX-Retarget": "#toasts", "HX-Reswap": "beforeend"} | ({"HX-Trigger": events} if events else {})
    return HTMLResponse(text, status, HEADERS | told)


def is_for_people(request: Request) -> bool:
    """Whether a page is asked for, or a piece of one, and not by a program."""
    path = request.url.path
    is_page = path == "/" or path.startswith(("/dashboard", "/series/", "/signin", "/signout"))
    return is_page and "text/html" in request.headers.get("accept", "")


def is_swapped(request: Request) -> bool:
    """Whether a page that stands there already asks, for a piece of it."""
    return request.headers.get("hx-request") == "true"


def refused(request: Request, status: int, words: str) -> HTMLResponse:
    """What a person is shown instead of an answer: a page, a toast, or nothing where the page says it by itself."""
    if not is_swapped(request):
        return page(request, "error.html", status, detail=words)
    answer = said(request, words, bad=True, status=status)
    if request.method == "GET" and status >= 500:
        answer.headers["HX-Reswap"] = "none"
    return answer


def signin_page(request: Request) -> Response:
    """The way to the page where a key is shown, and back, for a page that asks without one."""
    here = urlsplit(request.headers.get("hx-current-url", ""))
    return Response(status_code=401, headers={"HX-Redirect": f"/signin?next={quote(here.path or '/', safe='')}"})


def _known(request: Request) -> dict[str, Any]:
    caller = getattr(request.state, "caller", None)
    first, _, rest = request.url.path.removeprefix("/").partition("/")
    return {
        "request": request,
        "caller": caller,
        "can_operate": caller is not None and caller.role.covers(Role.OPERATE),
        "can_admin": caller is not None and caller.role.covers(Role.ADMIN),
        "items": ITEMS,
        "here": rest.partition("/")[0] if first == "dashboard" else None,
    }


def day(moment: datetime | None) -> str:
    """The date of an instant."""
    return instant(moment)[:10] if moment else NOTHING


@lru_cache(MANY)
def minute(moment: datetime | None) -> str:
    """An instant to the minute; the day alone for a bar of a day."""
    return instant(moment)[:16].replace("T", " ").removesuffix(" 00:00") if moment else NOTHING


def when(moment: datetime | None, zone: str = "", *, seconds: bool = False) -> Markup:
    """An instant in UTC that tells the clock of `zone` (as `America/New_York`) when it is pointed at."""
    if moment is None:
        return escape(NOTHING)
    shown = instant(moment)[: 19 if seconds else 16].replace("T", " ")
    local = f"; {_local(moment, zone)}" if zone not in ("", "UTC", ALWAYS_OPEN) else ""
    return Markup('<time datetime="{}" title="{} UTC{}">{}</time>').format(instant(moment), shown, local, shown)


def ago(moment: datetime | None, now: datetime | None = None) -> Markup:
    """How long ago an instant was, or how soon it will be, with the instant itself when it is pointed at."""
    if moment is None:
        return escape(NOTHING)
    past = (now or datetime.now(UTC)) - moment
    length = duration(abs(past.total_seconds()))
    words = f"{length} ago" if past >= timedelta(0) else f"in {length}"
    words = "now" if abs(past) < timedelta(seconds=1) else words
    return Markup('<time datetime="{}" title="{} UTC">{}</time>').format(instant(moment), minute(moment), words)


@lru_cache(MANY)
def duration(seconds: float | None) -> str:
    """A stretch of time for people: its two greatest units."""
    if seconds is None:
        return NOTHING
    length = timedelta(seconds=seconds)
    for place, (unit, name) in enumerate(UNITS):
        if length >= unit:
            finer, below = UNITS[place + 1] if place + 1 < len(UNITS) else (timedelta(seconds=1), "s")
            rest = (length % unit) // finer
            return f"{length // unit} {name}" + (f" {rest} {below}" if rest else "")
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"


def size(count: float | None) -> str:
    """Bytes for people."""
    if count is None:
        return NOTHING
    for unit in SIZES:
        if count < 1000 or unit == SIZES[-1]:
            break
        count /= 1000
    return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"


def whole(count: float | None) -> str:
    """A count with its thousands apart."""
    return NOTHING if count is None else f"{count:,.0f}"


def percent(share: float | None, decimals: int = 1) -> str:
    """A share of one as a percentage."""
    return NOTHING if share is None else f"{100 * share:.{decimals}f} %"


def link(path: str, **query: Any) -> str:
    """A path with those of its parameters that say something."""
    told = urlencode({name: value for name, value in query.items() if value not in (None, "")}, doseq=True)
    return f"{path}?{told}" if told else path


def asset(name: str) -> str:
    """The address of a file beside the pages, another one whenever any of them is; what it imports lies beside it."""
    return f"/static/{_mark()}/{name}"


@cache
def _mark() -> str:
    """What tells the content of all files from that of other versions."""
    files = sorted(path for path in STATIC.rglob("*") if path.is_file())
    told = b"".join(hashlib.blake2b(path.read_bytes()).digest() for path in files)
    return f"v{hashlib.blake2b(told, digest_size=6).hexdigest()}"


def _local(moment: datetime, zone: str) -> str:
    told = moment.astimezone(ZoneInfo(zone))
    return f"{told:%Y-%m-%d %H:%M} {told.tzname()} ({zone})"


class Files(StaticFiles):
    """The files beside the pages; those whose address tells their content are kept for ever by who has them."""

    def get_path(self, scope: Scope) -> str:
        """Where a file lies, whatever its address tells of its content."""
        return super().get_path(scope).removeprefix(f"{_mark()}{os.sep}")

    def file_response(self, *args: Any, **named: Any) -> Response:
        """The file, under the same policy as the pages."""
        answer = super().file_response(*args, **named)
        scope = args[2] if len(args) > 2 else named["scope"]
        is_marked = f"/{_mark()}/" in scope["path"] and isinstance(answer, FileResponse)
        answer.headers.update(HEADERS | {"Cache-Control": FOREVER if is_marked else "no-cache"})
        return answer


pages.filters |= {
    "day": day,
    "moment": minute,
    "when": when,
    "ago": ago,
    "duration": duration,
    "size": size,
    "whole": whole,
    "percent": percent,
    "number": written,
    "points": sparkline,
}
pages.globals |= {"asset": asset, "link": link}
