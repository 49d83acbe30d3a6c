"""A warehouse read over HTTP."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from typing import Any
from urllib.parse import quote

import httpx
import polars as pl

from barhouse import errors
from barhouse.client.asked import Asked
from barhouse.errors import BarhouseError, InvalidParameter, ServerUnavailable
from barhouse.flow import rewritten
from barhouse.model import instant
from barhouse.store.reading import ALL_TIME

SILENCE = httpx.Timeout(45, connect=5)
"""Seconds without a sign of life after which a stream is taken to be dead."""
AGAIN = 2.0
"""Seconds until a stream that broke off is taken up again."""


class Served:
    """Over HTTP, bars in Arrow."""

    def __init__(self, base_url: str, api_key: str | None) -> None:
        is_here = httpx.URL(base_url).host in ("127.0.0.1", "localhost", "::1")
        # to encode answers costs more than it saves on one machine
        plain = {"Accept-Encoding": "identity"} if is_here else {}
        self._http = httpx.Client(
            base_url=f"{base_url.rstrip('/')}/api/v1/",
            headers=plain | ({"X-API-Key": api_key} if api_key else {}),
            timeout=httpx.Timeout(60, connect=5),
            trust_env=not is_here,
        )

    def bars(self, asked: Asked, *, features: bool) -> pl.DataFrame:
        beside = {"features": features, "validated_only": asked.validated_only, "min_quality": asked.min_quality}
        bounds = {"start": asked.span.start, "end": asked.span.end}
        told = {name: instant(at) for name, at in bounds.items() if at not in (ALL_TIME.start, ALL_TIME.end)}
        told |= {} if asked.as_of is None else {"as_of": instant(asked.as_of)}
        told |= {} if asked.asset_class is None else {"asset_class": asked.asset_class}
        fixed = {"timeframe": asked.timeframe, "session": asked.session, "adjust": asked.adjust, "format": "arrow"}
        told |= {} if asked.resample_from is None else {"resample_from": asked.resample_from}
        one = isinstance(asked.symbol, str)
        told |= {} if one else {"symbols": ",".join(asked.symbol)}
        path = f"historical/{quote(str(asked.symbol), safe='')}" if one else "bars"
        response = self._get(path, {**told, **fixed, **beside})
        with self._understood(response):
            return pl.read_ipc_stream(response.content)

    def corrections(self, symbol: str, asked: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
        told = {
            name: instant(value) if isinstance(value, datetime) else value for name, value in asked.items() if value
        }
        cursor: dict[str, str] = {}
        while True:
            path = f"data/corrections/{quote(symbol, safe='')}"
            response = self._get(path, {**told, **cursor, "limit": rewritten.PAGE})
            with self._understood(response):
                page = response.json()
                rows, cursor = page["data"], {"cursor": page["next_cursor"]}
            yield from rows
            if cursor["cursor"] is None:
                return

    def quality(self, symbol: str, days: int, asset_class: str | None) -> Iterable[Mapping[str, Any]]:
        told = {"days": days} | ({} if asset_class is None else {"asset_class": asset_class})
        response = self._get(f"data/quality/{quote(symbol, safe='')}", told)
        with self._understood(response):
            return [row | {"date": date.fromisoformat(row["date"])} for row in response.json()["daily_metrics"]]

    def jobs(self, limit: int) -> Iterable[Mapping[str, Any]]:
        response = self._get("backfill/recent", {"limit": limit})
        with self._understood(response):
            return list(response.json()["jobs"])

    def job(self, job_id: str) -> Mapping[str, Any]:
        response = self._get(f"enrichment/jobs/{quote(job_id, safe='')}")
        with self._understood(response):
            return dict(response.json())

    def trigger(self, symbols: Sequence[str], timeframes: Sequence[str], asset_class: str | None) -> str:
        told: dict[str, Any] = {"symbols": list(symbols), "timeframes": list(timeframes)}
        response = self._get(
            "enrichment/trigger", told | ({} if asset_class is None else {"asset_class": asset_class}), method="POST"
        )
        with self._understood(response):
            return str(response.json()["job_id"])

    def stream(self, told: Mapping[str, Any], seen: str | None) -> Iterator[Mapping[str, Any]]:
        """Events of the server; where the line breaks, it is taken up again behind the last one."""
        is_begun = False
        while True:
            headers = {"Last-Event-ID": seen} if seen else {}
            try:
                with self._http.stream("GET", "stream", params=told, headers=headers, timeout=SILENCE) as response:
                    if not response.is_success:
                        response.read()
                        raise _error(response)
                    is_begun = True
                    for event in _events(response.iter_lines()):
                        seen = event.get("id", seen)
                        if "data" in event:
                            yield {"event": event["event"], "id": seen, **json.loads(event["data"])}
            except httpx.TransportError:
                if not is_begun:
                    raise ServerUnavailable(f"No Barhouse answers at {self._http.base_url}") from None
            time.sleep(AGAIN)

    def series(self) -> Iterable[Mapping[str, Any]]:
        response = self._get("symbols/detailed")
        with self._understood(response):
            return [each | series for each in response.json()["symbols"] for series in each["series"]]

    def status(self) -> Mapping[str, Any]:
        response = self._get("status")
        with self._understood(response):
            return dict(response.json())

    def _get(self, path: str, parameters: Mapping[str, Any] | None = None, *, method: str = "GET") -> httpx.Response:
        with self._answering():
            response = self._http.request(method, path, params=parameters)
        if response.is_success:
            return response
        raise _error(response)

    @contextmanager
    def _answering(self) -> Iterator[None]:
        address = str(self._http.base_url).removesuffix("/api/v1/")
        try:
            yield
        except httpx.ConnectError as cause:
            raise ServerUnavailable(f"No Barhouse answers at {address}; `barhouse up` starts one") from cause
        except httpx.HTTPError as cause:
            raise ServerUnavailable(f"Barhouse at {address} broke off in the middle of an answer: {cause}") from cause

    @contextmanager
    def _understood(self, response: httpx.Response) -> Iterator[None]:
        try:
            yield
        except (ValueError, KeyError, TypeError, pl.exceptions.PolarsError) as cause:
            raise ServerUnavailable(f"What answers at {response.url} is not Barhouse") from cause

    def close(self) -> None:
        self._http.close()


def _events(lines: Iterator[str]) -> Iterator[dict[str, str]]:
    """Server-sent events by their fields; comments are left out."""
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        if line and name:
            fields[name] = value.removeprefix(" ")
        elif not line:
            yield fields
            fields = {}


def _error(response: httpx.Response) -> BarhouseError:
    """The error that the server named, with its own words; a server that names none is not Barhouse, or ill."""
    kind = getattr(errors, response.headers.get("x-barhouse-error", ""), None) or _BY_STATUS.get(response.status_code)
    try:
        detail = str(response.json()["detail"])
    except (ValueError, KeyError, TypeError):
        detail = f"{response.url} answered with status {response.status_code}, which is no answer of Barhouse"
    error: BarhouseError = (kind or BarhouseError).__new__(kind or BarhouseError)
    error.args = (detail,)
    return error


_BY_STATUS = {422: InvalidParameter, 503: ServerUnavailable}
