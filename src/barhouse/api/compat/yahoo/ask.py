"""What is asked of Yahoo's chart, and what Yahoo refuses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from fastapi import Request

from barhouse.api.compat import Shelf
from barhouse.api.compat.windows import EVER, crypto, paired
from barhouse.model import Instrument

MINUTES = {"1m": 1, "2m": 2, "5m": 5, "15m": 15, "30m": 30, "60m": 60, "90m": 90, "1h": 60, "4h": 240}
DAYS = {"1d": "1d", "5d": "5d", "1wk": "1w", "1mo": "1mo", "3mo": "3mo"}
RANGES = ["1d", "5d", "1mo", "3mo", "6mo", "1y", "2y", "5y", "10y", "ytd", "max"]

_REACH = {1: 30, 60: 730, 240: 730}
_UNIT_DAYS = {"d": 1, "wk": 7, "mo": 30.5, "y": 365.25}
_WIDEST_MINUTE = timedelta(days=8)
_WIDEST = timedelta(days=731)


class WireError(Exception):
    """A request that the vendor answers with an error."""

    def __init__(self, status: int, code: str, description: str) -> None:
        super().__init__(description)
        self.status = status
        self.code = code


@dataclass(frozen=True, slots=True)
class Ask:
    """A request, read: both ends, in epoch seconds, are included."""

    of: Instrument
    symbol: str
    interval: str
    start: int
    end: int
    range: str
    events: frozenset[str]
    extended: bool

    @property
    def minutes(self) -> int | None:
        """How long a bar is by the clock; None from a day on."""
        return MINUTES.get(self.interval)


def asked(request: Request, shelf: Shelf, symbol: str, *, forgetful: bool) -> Ask:
    """The request as it is meant, or why it cannot be answered."""
    query, now = request.query_params, shelf.now()
    of = _known(shelf, symbol)
    interval = query.get("interval", "1d")
    if interval not in {*MINUTES, *DAYS}:
        valid = ", ".join([*MINUTES, *DAYS])
        reason = f"Invalid input - interval={interval} is not supported. Valid intervals: [{valid}]"
        raise WireError(422, "Unprocessable Entity", reason)
    start, end = _period(query, now)
    _not_too_wide(interval, start, end)
    if forgetful:
        _reachable(interval, start, end, now)
    events = frozenset(event.rstrip("s") for event in re.split(r"[,|]", query.get("events", "")))
    extended = query.get("includePrePost", "false").lower() == "true"
    return Ask(of, symbol, interval, start, end, query.get("range", ""), events, extended)


def _known(shelf: Shelf, symbol: str) -> Instrument:
    """What Yahoo calls by that symbol: BRK-B is our BRK.B, BTC-USD a coin."""
    squeezed = symbol.replace("-", "") if "-" in symbol else ""
    coin = paired(shelf, squeezed, "USD") if squeezed else None
    stocks = (of for of in shelf.instruments() if not crypto(of) and of.symbol.replace(".", "-") == symbol)
    if found := coin or next(stocks, None):
        return found
    raise WireError(404, "Not Found", "No data found, symbol may be delisted")


def _period(query: Mapping[str, str], now: datetime) -> tuple[int, int]:
    """The first and the last second asked for."""
    if "period1" not in query:
        return _ranged(query.get("range", "1d"), now), int(now.timestamp())
    try:
        start, end = _second(query["period1"]), _second(query.get("period2", str(int(now.timestamp()))))
    except ValueError:
        raise WireError(400, "Bad Request", "Invalid input - period1 and period2 are epoch seconds") from None
    if start > end:
        reason = f"Invalid input - start date cannot be after end date. startDate = {start}, endDate = {end}"
        raise WireError(400, "Bad Request", reason)
    return start, end


def _second(text: str) -> int:
    """Epoch seconds, kept inside of what a date can be."""
    first, last = (int(moment.timestamp()) for moment in EVER)
    return min(max(int(text), first), last)


def _ranged(text: str, now: datetime) -> int:
    """Where a range that ends now begins."""
    if text == "max":
        return int(EVER[0].timestamp())
    if text == "ytd":
        return int(datetime(now.year, 1, 1, tzinfo=UTC).timestamp())
    parts = re.fullmatch(r"([0-9]{1,3})(d|wk|mo|y)", text)
    if parts is None:
        valid = ", ".join(RANGES)
        reason = f"Invalid input - range={text} is not supported. Valid ranges: [{valid}]"
        raise WireError(422, "Unprocessable Entity", reason)
    return int((now - timedelta(days=int(parts[1]) * _UNIT_DAYS[parts[2]])).timestamp())


def _not_too_wide(interval: str, start: int, end: int) -> None:
    """Refuse more intraday bars than the vendor ever gives at once."""
    if interval not in MINUTES:
        return
    minute = MINUTES[interval] == 1
    if end - start > (_WIDEST_MINUTE if minute else _WIDEST).total_seconds():
        days = 7 if minute else 730
        allowed = f"Only {days} days worth of {interval} granularity data are allowed to be fetched per request."
        raise _unavailable(interval, start, end, allowed)


def _reachable(interval: str, start: int, end: int, now: datetime) -> None:
    """Refuse what lies, even in part, beyond what the vendor keeps of intraday bars."""
    reach = _REACH.get(MINUTES.get(interval, 0), 60)
    if interval in MINUTES and start < (now - timedelta(days=reach)).timestamp():
        raise _unavailable(interval, start, end, f"The requested range must be within the last {reach} days.")


def _unavailable(interval: str, start: int, end: int, allowed: str) -> WireError:
    refused = f"{interval} data not available for startTime={start} and endTime={end}. "
    return WireError(422, "Unprocessable Entity", refused + allowed)
