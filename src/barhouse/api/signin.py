"""Where a person shows a key to the browser, and takes it back."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import parse_qs

from anyio.to_thread import run_sync
from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from barhouse.api.access import COOKIE, credentials
from barhouse.api.dashboard.frame import page
from barhouse.api.deps import Stored
from barhouse.api.door import Door
from barhouse.flow import keys

router = APIRouter(include_in_schema=False)

Next = Annotated[str, Query(max_length=2000)]


@router.get("/signin")
async def signin(request: Request, next: Next = "/") -> HTMLResponse:  # noqa: A002
    """The page on which a key is shown; for somebody who has done so, where he signs out."""
    door: Door = request.app.state.door
    _, cookie = credentials(request.scope)
    known = await door.named(cookie) if cookie else None
    return _page(request, _ours(next), known=known, is_open=await door.is_open(request.scope))


@router.post("/signin")
async def signed_in(request: Request, db: Stored, next: Next = "/") -> Response:  # noqa: A002
    """Let the browser stand for a key, by a cookie that no script sees and no other site's page makes it send."""
    told = parse_qs((await request.body()).decode("ascii", "replace"))
    key = told.get("key", [""])[0].strip().encode()
    known = await request.app.state.door.named(key)
    if known is None:
        return _page(request, _ours(next), 401, is_refused=True)
    answer = RedirectResponse(_ours(next), 303)
    stand_for(request, answer, await run_sync(keys.sign_in, db, known.key_id))
    return answer


@router.post("/signout")
async def signed_out(request: Request, db: Stored) -> Response:
    """Let the browser stand for nobody."""
    _, cookie = credentials(request.scope)
    if cookie:
        await run_sync(keys.sign_out, db, cookie)
        request.app.state.door.forget()
    answer = RedirectResponse("/signin", 303)
    answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return answer


def stand_for(request: Request, answer: Response, cookie: str) -> None:
    """Give a browser the cookie by which it stands for a key."""
    answer.set_cookie(
        COOKIE,
        cookie,
        max_age=int(keys.SIGNED_IN.total_seconds()),
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )


def _ours(path: str) -> str:
    """Where to go on: a page of ours, whatever was asked for."""
    is_ours = path.startswith("/") and path.isprintable() and not path.startswith(("//", "/\\"))
    return path if is_ours else "/"


def _page(request: Request, next_page: str, status: int = 200, **told: object) -> HTMLResponse:
    shown = page(request, "signin.html", status, next=next_page, **told)
    shown.headers["Cache-Control"] = "no-store"
    return shown
