"""Every error as `{"detail": …}` with its own status."""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping
from http import HTTPStatus

import orjson
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import Match

from barhouse.api.compat.refusals import refusal
from barhouse.api.dashboard import frame
from barhouse.api.heads import has_head
from barhouse.errors import BarhouseError, DatabaseUnavailable, RateLimited, RequestError, SourceError

log = structlog.get_logger()

NAME = "X-Barhouse-Error"
"""The header that names the class of an error, so that a client can raise the same."""
SOON = {"Retry-After": "5"}
"""When to ask a warehouse again that is away; a server that was killed is back by then, mostly."""
METHODS = ("DELETE", "GET", "PATCH", "POST", "PUT")
"""Those that anything here has, HEAD besides."""
AWAY = "The warehouse is away; the server's log says why"


def enrol(app: FastAPI) -> None:
    """Let `app` tell its errors as all of Barhouse does."""
    app.add_exception_handler(BarhouseError, known)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, plain)
    app.add_exception_handler(Exception, unexpected)
    if not structlog.is_configured():
        _log_without_variables()


def _log_without_variables() -> None:
    """Where nobody said how to log, tell of a fault the lines of code, not the variables: a key may be among them."""
    lines = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    told = (structlog.contextvars.merge_contextvars, structlog.processors.add_log_level)
    structlog.configure([*told, structlog.processors.TimeStamper(fmt="iso", utc=True), lines])


async def known(request: Request, error: Exception) -> Response:
    """What Barhouse itself has to say; only what the caller can mend, or a vendor said, is told in its own words."""
    return shown(request, _known(error))


def _known(error: Exception) -> Response:
    named = {NAME: type(error).__name__}
    match error:
        case RateLimited():
            return detail(429, str(error), named | {"Retry-After": str(math.ceil(error.retry_after or 60))})
        case RequestError(status=status) | SourceError(status=status):
            return detail(status, str(error), named)
        case DatabaseUnavailable():
            return detail(503, str(error), named | SOON)
        case BarhouseError(status=503):
            log.error("warehouse_away", error=str(error))
            return detail(503, AWAY, named | SOON)
        case _:
            return _referenced(error)


async def invalid(request: Request, error: Exception) -> Response:
    """Parameters of the wrong form, each by its name."""
    assert isinstance(error, RequestValidationError)  # noqa: S101
    told = [f"{'.'.join(map(str, flaw['loc'][1:]))}: {flaw['msg']}" for flaw in error.errors()]
    return shown(request, detail(422, "; ".join(told)))


async def plain(request: Request, error: Exception) -> Response:
    """What the web framework refuses: unknown paths and methods."""
    assert isinstance(error, HTTPException)  # noqa: S101
    headers = {"Allow": _allowed(request)} if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED else error.headers
    return shown(request, detail(error.status_code, str(error.detail), headers))


def _allowed(request: Request) -> str:
    """The methods that a path has: the framework names those of the first of its routes only."""
    routes, scope = request.app.routes, request.scope
    found = {
        method
        for method in METHODS
        if any(route.matches({**scope, "method": method})[0] is Match.FULL for route in routes)
    }
    return ", ".join(sorted(found | ({"HEAD"} if "GET" in found and has_head(request.url.path) else set())))


async def unexpected(request: Request, error: Exception) -> Response:
    """A fault of ours: the caller gets a reference to the log, and nothing of its inside."""
    return shown(request, _referenced(error))


def _referenced(error: Exception) -> Response:
    reference = uuid.uuid4().hex[:12]
    log.error("request_failed", reference=reference, exc_info=error)
    return detail(500, f"Something went wrong here; the server's log has it under {reference}")


def detail(status: int, text: str, headers: Mapping[str, str] | None = None) -> Response:
    """An error as its caller sees it; half a character that it told us is a question mark."""
    told = text.encode("utf-8", "replace").decode()
    return Response(orjson.dumps({"detail": told}), status, dict(headers or {}), "application/json")


def shown(request: Request, answer: Response) -> Response:
    """The same for whoever looks at it: a page, or a note on one, for people, their vendor's shape for its clients."""
    why = orjson.loads(answer.body)["detail"]
    if wire := refusal(request.url.path, answer.status_code, why):
        other: Response = JSONResponse(wire, answer.status_code)
    elif frame.is_for_people(request):
        other = frame.refused(request, answer.status_code, why)
    else:
        return answer
    for name, value in answer.headers.items():
        other.headers.setdefault(name, value)
    return other
