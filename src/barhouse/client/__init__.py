"""What a notebook imports: bars as frames, over HTTP or straight from the database."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Self

import polars as pl

from barhouse.client.asked import (
    CORRECTIONS,
    INSTANTS,
    JOBS,
    QUALITY,
    SERIES,
    Adjusting,
    Asked,
    Reader,
    Session,
    When,
)
from barhouse.client.served import Served
from barhouse.client.stored import Stored
from barhouse.config import settings
from barhouse.features import registry
from barhouse.model import Adjust, Span, moment
from barhouse.store.reading import ALL_TIME

__all__ = ["CORRECTIONS", "JOBS", "QUALITY", "SERIES", "Client"]

POLL = 2.0
"""Seconds between two looks at a job that is waited for."""


class Client:
    """Reads a warehouse: the one served at `base_url`, or with `database_url` the database itself.

    Without an `api_key` that of the settings is sent (`BARHOUSE_API_KEY`), if there is one. Errors are those of
    `barhouse.errors`, whichever way it reads; ServerUnavailable if nobody answers.
    """

    def __init__(
        self,
        base_url: str = "http://127.0.0.1:8000",
        *,
        api_key: str | None = None,
        database_url: str | None = None,
    ) -> None:
        self._reader: Reader = Stored(database_url) if database_url else Served(base_url, api_key or _key())

    def bars(
        self,
        symbol: str | Sequence[str],
        timeframe: str = "1d",
        start: When = None,
        end: When = None,
        *,
        asset_class: str | None = None,
        features: bool = False,
        validated_only: bool = False,
        min_quality: float = 0.0,
        session: Session = "regular",
        adjust: Adjusting = "none",
        as_of: When = None,
        resample_from: str | None = None,
    ) -> pl.DataFrame:
        """All bars from `start` to before `end`, as traded, oldest first; with `features` their 22 columns beside.

        A bare date is 00:00Z. `session="all"` gives the bars outside the regular session too. `adjust="splits"` gives
        prices and volumes in today's shares, `"all"` takes dividends out of the prices as well. `as_of` gives what
        was known at that instant. Of several symbols the bars come one symbol after the other, with `symbol` and
        `asset_class` in front; `"*"` among them alone is all that have such bars. Bars of a timeframe that is not
        stored are built from shorter ones, those of `resample_from` where that is told; `built_from` says so.

        >>> client.bars("AAPL", start="2012-01-03", end="2012-01-05")["close"].to_list()
        [411.23, 413.44]
        >>> client.bars(["AAPL", "ETH"], start="2013-03-01").select("symbol", "close").rows()
        [('AAPL', 430.47), ('ETH', 3500.0)]
        """
        asked = Asked(
            symbol if isinstance(symbol, str) else tuple(symbol),
            timeframe,
            _span(start, end),
            asset_class,
            session,
            validated_only=validated_only,
            min_quality=min_quality,
            adjust=Adjust.of(adjust),
            as_of=_moment(as_of),
            resample_from=resample_from,
        )
        return self._reader.bars(asked, features=features)

    def features(
        self,
        symbol: str,
        timeframe: str = "1d",
        start: When = None,
        end: When = None,
        *,
        asset_class: str | None = None,
        session: Session = "regular",
    ) -> pl.DataFrame:
        """The time, the close and the 22 features of each bar from `start` to before `end`, oldest first."""
        asked = Asked(symbol, timeframe, _span(start, end), asset_class, session)
        return self._reader.bars(asked, features=True).select("time", "close", *registry)

    def corrections(
        self,
        symbol: str,
        timeframe: str | None = None,
        since: When = None,
        until: When = None,
        *,
        field: str | None = None,
        asset_class: str | None = None,
    ) -> pl.DataFrame:
        """What was changed in stored bars within a time, a row a field, the latest first (`CORRECTIONS`)."""
        asked = {"timeframe": timeframe, "field": field, "asset_class": asset_class}
        bounds = {"since": _moment(since), "until": _moment(until)}
        rows = [_parsed(row) for row in self._reader.corrections(symbol, {**asked, **bounds})]
        columns = {
            name: [_number(row[name]) if kind == pl.Float64 else row[name] for row in rows]
            for name, kind in CORRECTIONS.items()
        }
        return pl.DataFrame(columns, schema=CORRECTIONS)

    def quality(self, symbol: str, days: int = 7, *, asset_class: str | None = None) -> pl.DataFrame:
        """How good the data of a symbol were in the last days, a row a day, newest first (`QUALITY`)."""
        rows = list(self._reader.quality(symbol, days, asset_class))
        return pl.DataFrame([{name: row[name] for name in QUALITY} for row in rows], schema=QUALITY)

    def jobs(self, limit: int = 20) -> pl.DataFrame:
        """How the latest backfills stand, a row a job, newest first (`JOBS`)."""
        rows = [_parsed(row) for row in self._reader.jobs(limit)]
        return pl.DataFrame([{name: row[name] for name in JOBS} for row in rows], schema=JOBS)

    def job(self, job_id: str) -> dict[str, Any]:
        """How one job stands, by the names of `JOBS`; UnknownRecord for an id that nobody knows."""
        row = _parsed(self._reader.job(job_id))
        return {name: row[name] for name in JOBS}

    def trigger(
        self,
        symbols: str | Sequence[str] = (),
        timeframes: str | Sequence[str] = (),
        *,
        asset_class: str | None = None,
        wait: bool = False,
        timeout: float | None = None,
    ) -> dict[str, Any]:
        """The job that brings series up to date, as `job` tells it: all that is tracked if nothing is named.

        With `wait` it is through when this returns, unless it takes longer than `timeout` seconds: TimeoutError.
        """
        job_id = self._reader.trigger(_several(symbols), _several(timeframes), asset_class)
        until = time.monotonic() + (math.inf if timeout is None else timeout)
        while (job := self.job(job_id))["status"] in ("queued", "in_progress") and wait:
            if time.monotonic() > until:
                raise TimeoutError(f"Job {job_id} is not through after {timeout:g} s; it goes on")
            time.sleep(POLL)
        return job

    def stream(
        self,
        symbols: str | Sequence[str],
        timeframes: str | Sequence[str] = "1d",
        *,
        asset_class: str | None = None,
        seen: str | None = None,
    ) -> Iterator[dict[str, Any]]:
        """What changes in the bars of some symbols from now on, or since the event whose `id` was `seen` last.

        `event` is `bar`, `correction` or `removed`; each change comes once, also where the line broke meanwhile.
        """
        told: dict[str, Any] = {"symbols": _several(symbols), "timeframe": _several(timeframes)}
        told |= {} if asset_class is None else {"asset_class": asset_class}
        return map(_parsed, self._reader.stream(told, seen))

    def symbols(self) -> pl.DataFrame:
        """What is kept, a row a series: how many bars from when to when, how good, how new (`SERIES`)."""
        rows = [_parsed(row) for row in self._reader.series()]
        return pl.DataFrame([{name: row[name] for name in SERIES} for row in rows], schema=SERIES)

    def status(self) -> dict[str, Any]:
        """What the warehouse holds in all: instruments, series, bars, first_bar, last_bar, quarantined, …"""
        return _parsed(self._reader.status())

    def close(self) -> None:
        """End the connection."""
        self._reader.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _key() -> str | None:
    """The key of the settings."""
    known = settings().api_key
    return known.get_secret_value() if known else None


def _several(told: str | Sequence[str]) -> list[str]:
    return [told] if isinstance(told, str) else list(told)


def _span(start: When, end: When) -> Span:
    return Span(_moment(start) or ALL_TIME.start, _moment(end) or ALL_TIME.end)


def _moment(when: When) -> datetime | None:
    match when:
        case None:
            return None
        case str():
            return moment(when)
        case _:
            return moment(when.isoformat())


def _parsed(row: Mapping[str, Any]) -> dict[str, Any]:
    """What is an instant as one in UTC, whether the row came in JSON or out of the database."""
    return {name: _utc(value) if name in INSTANTS else value for name, value in row.items()}


def _utc(value: str | datetime | None) -> datetime | None:
    return moment(value) if isinstance(value, str) else value and value.astimezone(UTC)


def _number(value: float | str | None) -> float | None:
    return None if isinstance(value, str) else value
