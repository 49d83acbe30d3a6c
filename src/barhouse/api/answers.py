"""Bars as answers: pages of JSON with their mark, and streams that are read while they are sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import blake2b
from itertools import chain

import anyio
import polars as pl
from fastapi import Request, Response
from fastapi.responses import StreamingResponse

from barhouse.api import bulk


def marked(mark: str) -> dict[str, str]:
    """The headers of an answer that holds as long as its mark does."""
    return {"ETag": f'"{mark}"', "Cache-Control": "no-cache"}


def is_known(request: Request, headers: dict[str, str]) -> bool:
    """Whether the caller has that answer already; one encoded by the way bears its mark as a weak one."""
    return headers["ETag"] in request.headers.get("if-none-match", "")


def unchanged(headers: dict[str, str]) -> Response:
    """Nothing has changed since."""
    return Response(status_code=304, headers=headers)


def unless_known(body: bytes, request: Request) -> Response:
    """A page that hangs on more than its series: its mark is that of what it says, whatever is written elsewhere."""
    headers = marked(blake2b(body, digest_size=12).hexdigest())
    if is_known(request, headers):
        return unchanged(headers)
    return Response(body, headers=headers, media_type="application/json")


async def streamed(
    pages: Callable[[], Iterator[pl.DataFrame]], form: str, name: str, headers: dict[str, str]
) -> Response:
    """All pages, read while they are sent; what goes wrong before the first byte still has its own status."""
    media_type, write = bulk.FORMATS[form]
    pieces = write(bulk.ahead(await anyio.to_thread.run_sync(pages)))
    first = await anyio.to_thread.run_sync(next, pieces)
    named = headers | {"Content-Disposition": f'attachment; filename="{name}.{form}"'}
    return StreamingResponse(chain([first], pieces), headers=named, media_type=media_type)
