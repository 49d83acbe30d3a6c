"""One HTTP client for all vendors: guarded, in the pace of the quota; each failure is a `SourceError`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

import httpx
import orjson
import structlog

from barhouse.errors import (
    NotEntitled,
    RateLimited,
    RequestRefused,
    SourceError,
    SourceUnavailable,
    Unauthorized,
    UnknownAtSource,
    UnreadableAnswer,
)
from barhouse.resilience.manager import Guards, guards
from barhouse.resilience.pace import Pace, Turns

T = TypeVar("T")

LOOPBACK = {"127.0.0.1", "::1", "localhost"}
WHOLE_ANSWER = 10
"""A whole answer may take so many times the time-out of one read: a trickle must not hold us for ever."""

REFUSED = 86_400.0
"""Seconds that a source stays closed after it refused its key: then it is tried again, as people may have mended it."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Answer:
    """What a vendor answered: `ms` is the time it took, `calls` how often it was asked."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    ms: float
    calls: int = 1


Refusal = Callable[[Answer], type[SourceError] | None]
"""A vendor's own meaning of a 4xx answer; None where it is the usual one."""


def complaint(content: bytes) -> str:
    """The vendor's own words in an answer that is a refusal; empty where there are none for people."""
    try:
        words = _words(orjson.loads(content))
    except orjson.JSONDecodeError:
        text = content.decode(errors="replace").strip()
        words = "" if text.startswith("<") else text
    return " ".join(words.split())[:300]


def _words(body: object, depth: int = 4) -> str:
    """The first text under one of the names that vendors give to their explanations."""
    if not isinstance(body, dict) or not depth:
        return ""
    for name in ("error", "message", "msg", "description"):
        if isinstance(body.get(name), str):
            return str(body[name])
    return next((found for value in body.values() if (found := _words(value, depth - 1))), "")


def seconds(retry_after: str | None, now: datetime) -> float | None:
    """How long a `Retry-After` asks us to wait: seconds or an HTTP date; None where it is unreadable."""
    try:
        return max(0.0, float(retry_after or ""))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(retry_after or "") - now).total_seconds())
    except (TypeError, ValueError):
        return None


def _clock(answer: Answer) -> datetime:
    """The time at the vendor, by which it says when to come back; ours where it does not tell."""
    try:
        return parsedate_to_datetime(answer.headers.get("date", ""))
    except (TypeError, ValueError):
        return datetime.now(UTC)


class Http:
    """The calls to one vendor. `hosts` are its other names, `secrets` never leave in a message.

    A refused key, or an order to stay away for longer than we wait, closes it: later calls fail unsent, as they do
    while its breaker is open. `total_requests` left so far, `rate_limited_count` of them were too many.
    """

    def __init__(
        self,
        source: str,
        base_url: str,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float = 30.0,
        guard: Guards | None = None,
        pace: Turns | None = None,
        hosts: frozenset[str] = frozenset(),
        secrets: frozenset[str] = frozenset(),
        refusal: Refusal | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.source = source
        self._base = httpx.URL(base_url)
        self._headers = {"user-agent": "barhouse", "accept": "application/json", **(headers or {})}
        self._timeout = timeout
        self._guard = guard or guards(source)
        self._pace: Turns = pace or Pace(0)
        self._hosts = hosts
        self._secrets = secrets
        self._refusal = refusal
        self._transport = transport
        self._client: httpx.AsyncClient | None = None
        self._closed_until = 0.0
        self._why_closed: SourceError | None = None
        self.quota_remaining: int | None = None
        """How many calls might have left at once after the latest one, by our own log; None: any."""
        self.total_requests = 0
        self.rate_limited_count = 0

    async def get(self, url: str, params: Mapping[str, str | int] | None = None) -> Answer:
        """The vendor's answer to a path under its address, or to a whole `url` that it gave us to go on."""
        return (await self.read(url, lambda content: content, params))[1]

    async def read(
        self,
        url: str,
        parse: Callable[[bytes], T],
        params: Mapping[str, str | int] | None = None,
        *,
        weight: int = 1,
    ) -> tuple[T, Answer]:
        """What `parse` makes of the answer, which costs `weight`; asked again where it raises UnreadableAnswer."""
        calls = 0

        async def once() -> tuple[T, Answer]:
            nonlocal calls
            calls += 1
            answer = await self._ask(url, params)
            return await asyncio.to_thread(parse, answer.content), replace(answer, calls=calls)

        self._refuse_foreign(url)
        try:
            return await self.guarded(once, weight)
        except SourceError as error:
            self._shut(error)
            raise

    async def guarded(self, call: Callable[[], Awaitable[T]], weight: int = 1) -> T:
        """What `call` gives when it is its turn; made again where its failure may pass by itself."""
        return await self._guard.retry.execute_async(self._guard.bulkhead.execute, self._let_through, call, weight)

    async def close(self) -> None:
        """End the connections."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def _let_through(self, call: Callable[[], Awaitable[T]], weight: int) -> T:
        """Make the call when it is its turn; nobody waits in line for a vendor that is closed or ill."""
        self._refuse_closed()
        self._guard.breaker.check()
        self._connected()  # what takes its time is done before the turn: a call that is let out leaves
        await self._guard.limiter.turn()
        self.quota_remaining = await self._pace.turn(weight)
        self._refuse_closed()
        return await self._guard.breaker.call(call)  # type: ignore[no-any-return]

    async def _ask(self, url: str, params: Mapping[str, str | int] | None) -> Answer:
        began = time.perf_counter()
        self.total_requests += 1
        try:
            async with asyncio.timeout(self._timeout * WHOLE_ANSWER):
                response = await self._connected().get(url, params=params)
        except (httpx.TimeoutException, TimeoutError) as error:
            raise SourceUnavailable(self.source, "no answer in time") from error
        except httpx.DecodingError as error:
            raise UnreadableAnswer(self.source, "an answer that cannot be unpacked") from error
        except httpx.HTTPError as error:
            words = str(error) or type(error).__name__  # a reset often has no words
            raise SourceUnavailable(self.source, self._redacted(f"no whole answer: {words}")) from error
        took = (time.perf_counter() - began) * 1000
        answer = Answer(response.status_code, response.headers, response.content, took)
        if response.is_success:
            return answer
        refusal = self._error(answer)
        if isinstance(refusal, RateLimited):
            await self._hold(refusal)
        if isinstance(refusal, Unauthorized):
            refusal.retry_after = REFUSED
            await self._pace.refuse(REFUSED, str(refusal).removeprefix(f"{self.source}: "))
        raise refusal

    def _connected(self) -> httpx.AsyncClient:
        """The client, made at the first call: a pool belongs to the event loop that uses it."""
        if self._client is None:
            self._client = httpx.AsyncClient(
                base_url=self._base,
                headers=self._headers,
                timeout=self._timeout,
                transport=self._transport,
                trust_env=self._base.host not in LOOPBACK,
                verify=self._base.scheme == "https",  # certificates take long to load, and plain HTTP has none
            )
        return self._client

    def _error(self, answer: Answer) -> SourceError:
        words = self._redacted(complaint(answer.content))
        message = f"{answer.status} {words}".strip()
        wait = seconds(answer.headers.get("retry-after"), _clock(answer))
        if answer.status in (418, 429):
            return RateLimited(self.source, message, wait)
        if answer.status >= 500:
            away = SourceUnavailable(self.source, message)
            away.retry_after = wait
            return away
        usual = {401: Unauthorized, 403: NotEntitled, 404: UnknownAtSource}
        own = self._refusal(answer) if self._refusal else None
        return (own or usual.get(answer.status, RequestRefused))(self.source, message)

    def _redacted(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text

    def _refuse_foreign(self, url: str) -> None:
        """A whole URL may lead only to the vendor itself: the key goes with it."""
        try:
            target = httpx.URL(url)
        except httpx.InvalidURL as error:
            raise UnreadableAnswer(self.source, "its next page has no readable address") from error
        same = self._hosts if self._base.host in self._hosts else {self._base.host}
        own = target.host in same and (target.scheme, target.port) == (self._base.scheme, self._base.port)
        if not own and not target.is_relative_url:
            raise UnreadableAnswer(self.source, f"its next page is said to be at {target.host!r}, not asked")

    def _refuse_closed(self) -> None:
        if time.monotonic() < self._closed_until and self._why_closed:
            raise self._why_closed.with_traceback(None)

    async def _hold(self, error: RateLimited) -> None:
        """Let all who ask this vendor wait, not only the one who was refused."""
        self.rate_limited_count += 1
        await self._pace.hold(self._guard.retry.window if error.retry_after is None else error.retry_after)

    def _shut(self, error: SourceError) -> None:
        """Close the source: for a day after a refused key, else for as long as the vendor said."""
        lasts = error.retry_after or 0.0
        if lasts <= self._guard.retry.ceiling or time.monotonic() < self._closed_until:
            return
        self._closed_until, self._why_closed = time.monotonic() + lasts, error
        log.warning("source_closed", source=self.source, seconds=lasts, error=str(error))


class Asking:
    """What every source behind one client tells of its calls."""

    _http: Http

    @property
    def total_requests(self) -> int:
        """Calls that left so far."""
        return self._http.total_requests

    @property
    def rate_limited_count(self) -> int:
        """Calls that the vendor said were too many."""
        return self._http.rate_limited_count

    async def close(self) -> None:
        """End the connections."""
        await self._http.close()
