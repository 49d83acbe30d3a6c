"""Calls that look like a browser's: some vendors turn away whoever shakes hands otherwise."""

from __future__ import annotations

import httpx
from httpx_curl_cffi import AsyncCurlTransport


class Browser(httpx.AsyncBaseTransport):
    """A transport with the TLS fingerprint and headers of a browser, usable again after it was closed."""

    def __init__(self) -> None:
        self._curl: AsyncCurlTransport | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The answer to `request`, sent with the browser's own headers in place of ours."""
        if self._curl is None:
            # made here, since it belongs to the event loop that uses it
            self._curl = AsyncCurlTransport(impersonate="chrome", default_headers=True)
        for name in ("user-agent", "accept"):
            request.headers.pop(name, None)
        response: httpx.Response = await self._curl.handle_async_request(request)
        return response

    async def aclose(self) -> None:
        """End the connections."""
        if self._curl is not None:
            await self._curl.aclose()
            self._curl = None
