"""Long answers in fewer bytes, for callers that accept them so: zstd, else gzip."""

from __future__ import annotations

from functools import lru_cache

import pyarrow as pa
from anyio.to_thread import run_sync
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.gzip import DEFAULT_EXCLUDED_CONTENT_TYPES, GZipResponder, IdentityResponder
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from barhouse.api.bulk import Sink

LEAST = 64 * 2**10
"""Bytes from which on it pays: shorter answers are the ones that many are asked for a second."""
LONG = 128 * 2**10
"""Bytes from which on the work is done beside the event loop."""
LEVEL = 1
"""Of gzip: bars shrink to a fifth, at four times the speed of the usual level."""
DENSE = (*DEFAULT_EXCLUDED_CONTENT_TYPES, "application/vnd.apache.arrow.stream", "application/vnd.apache.parquet")
"""What is dense already."""


class Encoding:
    """Encodes answers from `LEAST` bytes on, and streams; their marks are weak ones then, for the bytes differ."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, encoded as the caller likes best."""
        headers = Headers(scope=scope) if scope["type"] == "http" else Headers()
        accepted, known = headers.get("accept-encoding"), headers.get("if-none-match", "")
        match _best(accepted or ""):
            case "zstd":
                await Zstd(self._app, LEAST, exclude_content_types=DENSE)(scope, receive, _weakly(send, known))
            case "gzip":
                responder = GZipResponder(
                    self._app, LEAST, LEVEL, thread_minimum_size=LONG, exclude_content_types=DENSE
                )
                await responder(scope, receive, _weakly(send, known))
            case _:
                await self._app(scope, receive, send)


class Zstd(IdentityResponder):
    """The same as the framework does by gzip."""

    content_encoding = "zstd"
    _stream: pa.CompressedOutputStream | None = None

    async def apply_compression(self, body: bytes, *, more_body: bool) -> bytes:
        """The next piece of the encoded answer."""
        if len(body) >= LONG:
            return await run_sync(self._encoded, body, more_body)
        return self._encoded(body, more_body)

    def _encoded(self, body: bytes, more_body: bool) -> bytes:
        if self._stream is None:
            self._sink = Sink()
            self._stream = pa.CompressedOutputStream(self._sink, "zstd")
        self._stream.write(body)
        if more_body:
            self._stream.flush()
        else:
            self._stream.close()
        return self._sink.taken()


@lru_cache(maxsize=256)
def _best(accepted: str) -> str | None:
    """The encoding that we have of those that a caller accepts, by its own order and then by ours."""
    wishes = dict(_wish(each) for each in accepted.split(","))
    known = {name: wishes.get(name, wishes.get("*", 0.0)) for name in ("zstd", "gzip")}
    best = max(known, key=lambda name: known[name])
    return best if known[best] > 0 and known[best] >= wishes.get("identity", 0.0) else None


def _wish(text: str) -> tuple[str, float]:
    name, _, weight = text.strip().lower().partition(";")
    try:
        return name.strip(), float(weight.strip().removeprefix("q=") or 1)
    except ValueError:
        return name.strip(), 0.0


def _weakly(send: Send, known: str) -> Send:
    """Says of an encoded answer that its mark stands for what it says, not for its bytes."""

    async def weak(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(raw=message["headers"])
            mark = headers.get("etag", "")
            if message["status"] == 304:
                headers.add_vary_header("Accept-Encoding")
            if mark.startswith('"') and ("content-encoding" in headers or f"W/{mark}" in known):
                headers["ETag"] = f"W/{mark}"
        await send(message)

    return weak
