"""What a browser complains of while a test looks at pages, and where pages send it that is not this machine."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Request, WebError

OURS = "127.0.0.1"
BY_THE_PAGE = {"http", "https", "ws", "wss"}
"""Schemes that leave the browser; `data:` and `blob:` do not."""


class Complaints:
    """Errors on the console (breaches of the content policy are told there), errors of scripts, foreign requests."""

    def __init__(self, context: BrowserContext) -> None:
        self._heard: list[str] = []
        self._expected: list[str] = []
        context.on("console", self._said)
        context.on("weberror", self._thrown)
        context.on("request", self._asked)

    def expect(self, pattern: str) -> None:
        """Take no notice of complaints that hold this: the test means to cause them."""
        self._expected.append(pattern)

    def unexpected(self) -> list[str]:
        """What nobody expected, in its order."""
        return [said for said in self._heard if not any(re.search(each, said) for each in self._expected)]

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self._heard.append(f"{message.type}: {message.text} ({message.location['url']})")

    def _thrown(self, thrown: WebError) -> None:
        self._heard.append(f"thrown: {thrown.error}")

    def _asked(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in BY_THE_PAGE and parts.hostname != OURS:
            self._heard.append(f"asked elsewhere: {request.url}")
