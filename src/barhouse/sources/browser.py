"""Calls that look like a browser's: some vendors turn away whoever shakes hands otherwise."""

from __future__ import annotations

import httpx
from httpx_curl_cffi import AsyncCurlTransport


class Whole(AsyncCurlTransport):
    """A transport that gives answers when they are whole: errors within a body have no name in httpx."""

    _stream_enabled = False


class Browser(httpx.AsyncBaseTransport):
    """A transport with the TLS fingerprint and headers of a browser, usable again after it was closed."""

    def __init__(self) -> None:
        self._curl: Whole | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The whole answer to `request`, sent with the browser's own headers in place of ours."""
        if self._curl is None:
            # made here, since it belongs to the event loop that uses it
            self._curl = Whole(impersonate="chrome", default_headers=True)
        for name in ("user-agent", "accept"):
            request.headers.pop(name, None)
        return await self._curl.handle_async_request(request)

    async def aclose(self) -> None:
        """End the connections."""
        if self._curl is not None:
            await self._curl.aclose()
            self._curl = None
