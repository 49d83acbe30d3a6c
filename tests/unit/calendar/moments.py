"""Instants and frames, written as people write them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from barhouse.calendar import Calendar, refreshed
from barhouse.model import INSTANT, Span

NEW_YORK = ZoneInfo("America/New_York")


@cache
def known(exchange: str) -> Calendar:
    """The calendar of a real exchange, read once: a fixture cannot go under `given`."""
    return refreshed(exchange)


def utc(text: str) -> datetime:
    """An instant from its UTC clock: `2024-07-03 13:30`."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def ny(text: str) -> datetime:
    """An instant from the clock of New York."""
    return datetime.fromisoformat(text).replace(tzinfo=NEW_YORK).astimezone(UTC)


def span(start: str, end: str) -> Span:
    """A span between two instants of the UTC clock."""
    return Span(utc(start), utc(end))


def times(moments: Iterable[datetime]) -> pl.Series:
    """Instants as a column of bars has them."""
    return pl.Series("time", list(moments), dtype=INSTANT)


def bars(moments: Iterable[datetime], **columns: list[Any]) -> pl.DataFrame:
    """A frame of bars at these instants."""
    return pl.DataFrame({"time": times(moments), **columns})


def real(folder: Path, name: str) -> pl.DataFrame:
    """Recorded bars as they came: time and the five."""
    rows = pl.read_csv(folder / "bars" / f"{name}.csv.gz", infer_schema_length=None)
    time = pl.from_epoch("t_ms", time_unit="ms").cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    return rows.select(time.alias("time"), pl.col("open", "high", "low", "close", "volume").cast(pl.Float64))
