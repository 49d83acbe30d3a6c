"""What a notebook imports: bars as frames, over HTTP or straight from the database."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from importlib.metadata import version
from typing import Any, Literal, Protocol, Self
from urllib.parse import quote

import httpx
import polars as pl

from barhouse import errors
from barhouse.errors import BarhouseError, InvalidParameter, ServerUnavailable
from barhouse.features import registry
from barhouse.flow import instruments, reads, rewritten
from barhouse.model import INSTANT, Adjust, AssetClass, Schema, Series, Span, Timeframe, instant, moment
from barhouse.store.postgres import Database
from barhouse.store.reading import ALL_TIME, Selection

When = str | date | datetime | None
Session = Literal["regular", "all"]
Adjusting = Literal["none", "splits", "all"]

SERIES: Schema = {
    "symbol": pl.String(),
    "asset_class": pl.String(),
    "exchange": pl.String(),
    "active": pl.Boolean(),
    "timeframe": pl.String(),
    "tracked": pl.Boolean(),
    "since": INSTANT,
    "bars": pl.Int64(),
    "first_bar": INSTANT,
    "last_bar": INSTANT,
    "quality_score": pl.Float64(),
    "revision": pl.Int64(),
    "revised_at": INSTANT,
}
"""The columns of `Client.symbols`: a row a series."""

CORRECTIONS: Schema = {
    "timeframe": pl.String(),
    "timestamp": INSTANT,
    "field_corrected": pl.String(),
    "old_value": pl.Float64(),
    "new_value": pl.Float64(),
    "reason": pl.String(),
    "corrected_by": pl.String(),
    "correction_timestamp": INSTANT,
    "source": pl.String(),
    "fetch_id": pl.Int64(),
    "note": pl.String(),
}
"""The columns of `Client.corrections`; where `source` was corrected, it went from `source` to `corrected_by`."""

INSTANTS = {name for name, kind in (SERIES | CORRECTIONS).items() if kind == INSTANT} | {"timestamp"}


class Client:
    """Reads a warehouse: the one served at `base_url`, or with `database_url` the database itself.

    Errors are those of `barhouse.errors`, whichever way it reads; ServerUnavailable if nobody answers.
    """

    def __init__(
        self,
        base_url: str = "http://127.0.0.1:8000",
        *,
        api_key: str | None = None,
        database_url: str | None = None,
    ) -> None:
        self._reader: _Reader = _Stored(database_url) if database_url else _Served(base_url, api_key)

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
        asked = _Asked(
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
        asked = _Asked(symbol, timeframe, _span(start, end), asset_class, session)
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


@dataclass(frozen=True, slots=True)
class _Asked:
    """Which bars somebody wants."""

    symbol: str
    timeframe: str
    span: Span
    asset_class: str | None
    session: Session
    validated_only: bool = False
    min_quality: float = 0.0
    adjust: Adjust = Adjust.NONE
    as_of: datetime | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.min_quality <= 1:
            raise InvalidParameter(f"min_quality: {self.min_quality} is not between 0 and 1")


class _Reader(Protocol):
    """A way to read a warehouse."""

    def bars(self, asked: _Asked, *, features: bool) -> pl.DataFrame: ...
    def corrections(self, symbol: str, asked: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]: ...
    def series(self) -> Iterable[Mapping[str, Any]]: ...
    def status(self) -> Mapping[str, Any]: ...
    def close(self) -> None: ...


class _Stored:
    """Straight from the database."""

    def __init__(self, database_url: str) -> None:
        self._db = Database(database_url)

    def bars(self, asked: _Asked, *, features: bool) -> pl.DataFrame:
        timeframe = Timeframe.of(asked.timeframe)
        asset_class = None if asked.asset_class is None else AssetClass.of(asked.asset_class)
        instrument = instruments.find(self._db, asked.symbol, asset_class)
        selection = Selection(
            Series(instrument, timeframe),
            asked.span,
            validated_only=asked.validated_only,
            min_quality=asked.min_quality,
            extended=asked.session == "all",
            features=tuple(registry) if features else (),
            adjust=asked.adjust,
            as_of=asked.as_of,
        )
        return reads.bars(self._db, selection, limit=sys.maxsize)

    def corrections(self, symbol: str, asked: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
        return rewritten.every(self._db, symbol, **asked)

    def series(self) -> Iterable[Mapping[str, Any]]:
        return instruments.described(self._db)

    def status(self) -> Mapping[str, Any]:
        now = {"timestamp": datetime.now(UTC), "version": version("barhouse")}
        return now | instruments.totals(self._db)

    def close(self) -> None:
        self._db.close()


class _Served:
    """Over HTTP, bars in Arrow."""

    def __init__(self, base_url: str, api_key: str | None) -> None:
        self._http = httpx.Client(
            base_url=f"{base_url.rstrip('/')}/api/v1/",
            headers={"X-API-Key": api_key} if api_key else {},
            timeout=httpx.Timeout(60, connect=5),
            trust_env=httpx.URL(base_url).host not in ("127.0.0.1", "localhost", "::1"),
        )

    def bars(self, asked: _Asked, *, features: bool) -> pl.DataFrame:
        beside = {"features": features, "validated_only": asked.validated_only, "min_quality": asked.min_quality}
        bounds = {"start": asked.span.start, "end": asked.span.end}
        told = {name: instant(at) for name, at in bounds.items() if at not in (ALL_TIME.start, ALL_TIME.end)}
        told |= {} if asked.as_of is None else {"as_of": instant(asked.as_of)}
        told |= {} if asked.asset_class is None else {"asset_class": asked.asset_class}
        fixed = {"timeframe": asked.timeframe, "session": asked.session, "adjust": asked.adjust, "format": "arrow"}
        response = self._get(f"historical/{quote(asked.symbol, safe='')}", {**told, **fixed, **beside})
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

    def series(self) -> Iterable[Mapping[str, Any]]:
        response = self._get("symbols/detailed")
        with self._understood(response):
            return [each | series for each in response.json()["symbols"] for series in each["series"]]

    def status(self) -> Mapping[str, Any]:
        response = self._get("status")
        with self._understood(response):
            return dict(response.json())

    def _get(self, path: str, parameters: Mapping[str, Any] | None = None) -> httpx.Response:
        with self._answering():
            response = self._http.get(path, params=parameters)
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
