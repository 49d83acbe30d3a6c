"""Small frames of bars, written down by hand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any

import polars as pl

from barhouse.calendar import Calendar, refreshed
from barhouse.model import BARS, Span, Timeframe

FRAME: dict[str, Any] = {"instrument": pl.Int32, **BARS, "origin": pl.UInt32}

SPLITS = {"instrument": pl.Int32, "effective": pl.Date, "ratio": pl.Float64}

MONDAY = datetime(2024, 1, 8, tzinfo=UTC)

ORDINARY = {"open": 10.0, "high": 12.0, "low": 9.0, "close": 11.0, "volume": 100.0}


@cache
def new_york() -> Calendar:
    return refreshed("XNYS")


@cache
def always_open() -> Calendar:
    return Calendar.always_open()


def frame(rows: Iterable[dict[str, Any]]) -> pl.DataFrame:
    """Rows as a source would give them: an ordinary bar of instrument 1 wherever a row says nothing else."""
    usual = {"instrument": 1, "time": MONDAY, **ORDINARY, "extended": False, "forming": False}
    return pl.DataFrame([{**usual, "origin": number, **row} for number, row in enumerate(rows)], schema=FRAME)


def series(volumes: Sequence[float | None], times: Sequence[datetime], **fields: Any) -> pl.DataFrame:
    """One bar a time with these volumes, all else being alike."""
    return frame({"time": time, "volume": volume, **fields} for time, volume in zip(times, volumes, strict=True))


def days(count: int, since: datetime = MONDAY) -> list[datetime]:
    """The first `count` sessions of New York from `since` on."""
    span = Span(since, since + timedelta(days=2 * count + 10))
    return new_york().expected(Timeframe.D1, span)["time"][:count].to_list()


def hours(count: int, since: datetime = MONDAY) -> list[datetime]:
    return [since + timedelta(hours=hour) for hour in range(count)]


def splits(*events: tuple[int, date, float]) -> pl.DataFrame:
    return pl.DataFrame(events, schema=SPLITS, orient="row")
