"""What Yahoo's chart answers say: parsing alone, no I/O."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from fractions import Fraction
from types import NoneType
from typing import TypeVar
from zoneinfo import ZoneInfo

import polars as pl

from barhouse.errors import RequestRefused, UnknownAtSource, UnreadableAnswer
from barhouse.sources import decode

T = TypeVar("T", Fraction, float)

NAME = "yahoo"
FIELDS = ("open", "high", "low", "close", "volume")
ROW = ("timestamp", *FIELDS)
TAKEN = {"timestamp": "time"} | {name: name for name in FIELDS}


@dataclass(frozen=True, slots=True)
class Chart:
    """One answer: its rows under Yahoo's names, and the events in it, by the exchange's date.

    A split's ratio is how many shares come of one; all later splits are in the amount of a dividend.
    """

    raw: pl.DataFrame
    splits: list[tuple[date, Fraction]] = field(default_factory=list)
    dividends: list[tuple[date, float]] = field(default_factory=list)
    currency: str | None = None


NOTHING = Chart(pl.DataFrame(schema=dict.fromkeys(ROW, pl.Float64)))


def chart(payload: bytes, interval: str) -> Chart:
    """The chart in an answer to a question for `interval`; UnreadableAnswer for bars of another length."""
    result = _result(payload)
    meta = _object(result.get("meta") or {})
    raw = _with_adjusted(_rows(result), result)
    if len(raw) and meta.get("dataGranularity") != interval:
        told = str(meta.get("dataGranularity"))[:20]
        raise UnreadableAnswer(NAME, f"bars of {told} in answer to a question for {interval}")
    events, currency = _object(result.get("events") or {}), meta.get("currency")
    return Chart(
        raw,
        _events(events.get("splits"), meta, _ratio),
        _events(events.get("dividends"), meta, _amount),
        currency if isinstance(currency, str) else None,
    )


def _result(payload: bytes) -> dict[str, object]:
    """The one result of an answer; a refusal that came with HTTP status 200 is raised here."""
    answer = _object(_object(decode.document(payload, NAME)).get("chart"))
    if error := answer.get("error"):
        told = _object(error)
        kind = UnknownAtSource if told.get("code") == "Not Found" else RequestRefused
        raise kind(NAME, str(told.get("description") or told.get("code"))[:300])
    results = answer.get("result")
    if not isinstance(results, list) or len(results) != 1:
        raise UnreadableAnswer(NAME, "its answer has no result")
    return _object(results[0])


def _object(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise UnreadableAnswer(NAME, "its answer is not built as a chart")
    return value


def _rows(result: Mapping[str, object]) -> pl.DataFrame:
    """The rows of a result: one without timestamps and quotes has none, any other unevenness is unreadable."""
    quotes = _object(result.get("indicators")).get("quote")
    if not isinstance(quotes, list) or len(quotes) != 1:
        raise UnreadableAnswer(NAME, "its answer has no quotes")
    quote = _object(quotes[0])
    columns = {"timestamp": result.get("timestamp"), **{name: quote.get(name) for name in FIELDS}}
    if not any(columns.values()):
        return NOTHING.raw
    lists = {name: cells for name, cells in columns.items() if isinstance(cells, list)}
    if len(lists) < len(ROW) or len({len(cells) for cells in lists.values()}) != 1:
        raise UnreadableAnswer(NAME, "its timestamps and quotes are not of one length")
    return _frame(lists)


def _with_adjusted(rows: pl.DataFrame, result: Mapping[str, object]) -> pl.DataFrame:
    """The rows with Yahoo's own adjusted closes, which come with days, where each of them is a number."""
    match result.get("indicators"):
        case {"adjclose": [{"adjclose": list(cells)}]} if len(cells) == len(rows):
            if set(map(type, cells)) <= {int, float, NoneType}:
                return rows.with_columns(pl.Series("adjclose", cells, dtype=pl.Float64))
    return rows


def _frame(lists: Mapping[str, list[object]]) -> pl.DataFrame:
    """The rows as numbers if all cells are; else as text, so that what really came can be kept."""
    whole = set(map(type, lists["timestamp"])) <= {int, NoneType}
    if whole and all(set(map(type, lists[name])) <= {int, float, NoneType} for name in FIELDS):
        with contextlib.suppress(TypeError, OverflowError):  # an integer too large
            times = pl.Series("timestamp", lists["timestamp"], dtype=pl.Int64)
            return pl.DataFrame([times, *(pl.Series(name, lists[name], dtype=pl.Float64) for name in FIELDS)])
    return decode.texts([list(row) for row in zip(*(lists[name] for name in ROW), strict=True)], ROW)[0]


def _events(
    told: object, meta: Mapping[str, object], value: Callable[[Mapping[str, object]], T]
) -> list[tuple[date, T]]:
    """The date and value of each event; UnreadableAnswer if one is incomplete, since half a list misleads."""
    events = [_object(event) for event in _object(told or {}).values()]
    if not events:
        return []
    try:
        zone = ZoneInfo(str(meta["exchangeTimezoneName"]))
        return sorted((_date(event["date"], zone), value(event)) for event in events)
    except (KeyError, TypeError, ValueError, ArithmeticError, OSError) as error:
        raise UnreadableAnswer(NAME, "one of its splits or dividends is incomplete") from error


def _date(cell: object, zone: ZoneInfo) -> date:
    if not isinstance(cell, int) or isinstance(cell, bool):
        raise TypeError("no instant")
    return datetime.fromtimestamp(cell, zone).date()


def _ratio(split: Mapping[str, object]) -> Fraction:
    ratio = Fraction(str(split["numerator"])) / Fraction(str(split["denominator"]))
    if ratio <= 0:
        raise ValueError("no ratio")
    return ratio


def _amount(dividend: Mapping[str, object]) -> float:
    amount = float(str(dividend["amount"]))
    if not math.isfinite(amount):
        raise ValueError("no amount")
    return amount
