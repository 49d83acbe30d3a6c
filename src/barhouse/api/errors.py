"""Every error as `{"detail": …}` with its own status."""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping

import orjson
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from barhouse.api.dashboard import frame
from barhouse.errors import BarhouseError, DatabaseUnavailable, RateLimited, RequestError, SourceError

log = structlog.get_logger()

NAME = "X-Barhouse-Error"
"""The header that names the class of an error, so that a client can raise the same."""
SOON = {"Retry-After": "5"}
"""When to ask a warehouse again that is away; a server that was killed is back by then, mostly."""
AWAY = "The warehouse is away; the server's log says why"


def enrol(app: FastAPI) -> None:
    """Let `app` tell its errors as all of Barhouse does."""
    app.add_exception_handler(BarhouseError, known)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, plain)
    app.add_exception_handler(Exception, unexpected)


async def known(request: Request, error: Exception) -> Response:
    """What Barhouse itself has to say; only what the caller can mend, or a vendor said, is told in its own words."""
    return _shown(request, _known(error))


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
    return _shown(request, detail(422, "; ".join(told)))


async def plain(request: Request, error: Exception) -> Response:
    """What the web framework refuses: unknown paths and methods."""
    assert isinstance(error, HTTPException)  # noqa: S101
    return _shown(request, detail(error.status_code, str(error.detail), error.headers))


async def unexpected(request: Request, error: Exception) -> Response:
    """A fault of ours: the caller gets a reference to the log, and nothing of its inside."""
    return _shown(request, _referenced(error))


def _referenced(error: Exception) -> Response:
    reference = uuid.uuid4().hex[:12]
    log.error("request_failed", reference=reference, exc_info=error)
    return detail(500, f"Something went wrong here; the server's log has it under {reference}")


def detail(status: int, text: str, headers: Mapping[str, str] | None = None) -> Response:
    """An error as its caller sees it."""
    return Response(orjson.dumps({"detail": text}), status, dict(headers or {}), "application/json")


def _shown(request: Request, answer: Response) -> Response:
    """The same for whoever looks at it: people get a page, or a note on the page that they have before them."""
    if not frame.is_for_people(request):
        return answer
    page = frame.refused(request, answer.status_code, orjson.loads(answer.body)["detail"])
    for name, value in answer.headers.items():
        page.headers.setdefault(name, value)
    return page
