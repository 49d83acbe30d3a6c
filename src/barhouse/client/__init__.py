"""What a notebook imports: bars as frames, over HTTP or straight from the database."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Self

import polars as pl

from barhouse.client.asked import CORRECTIONS, INSTANTS, SERIES, Adjusting, Asked, Reader, Session, When
from barhouse.client.served import Served
from barhouse.client.stored import Stored
from barhouse.config import settings
from barhouse.features import registry
from barhouse.model import Adjust, Span, moment
from barhouse.store.reading import ALL_TIME

__all__ = ["CORRECTIONS", "SERIES", "Client"]


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
        symbol: str,
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
    ) -> pl.DataFrame:
        """All bars from `start` to before `end`, as traded, oldest first; with `features` their 22 columns beside.

        A bare date is 00:00Z. `session="all"` gives the bars outside the regular session too. `adjust="splits"` gives
        prices and volumes in today's shares, `"all"` takes dividends out of the prices as well. `as_of` gives what
        was known at that instant.
        """
        asked = Asked(
            symbol,
            timeframe,
            _span(start, end),
            asset_class,
            session,
            validated_only=validated_only,
            min_quality=min_quality,
            adjust=Adjust.of(adjust),
            as_of=_moment(as_of),
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
