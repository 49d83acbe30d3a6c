"""Bars out of rows that were set aside, read as their sources' answers are read today."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from fractions import Fraction

import polars as pl

from barhouse.calendar import Calendar
from barhouse.model import BARS, Series
from barhouse.sources import binance, file, polygon, polygon_answers, slots, yahoo, yahoo_answers
from barhouse.sources.base import Kept

DELAY = timedelta(minutes=15)
"""A bar that closed more recently may still be forming, at whatever source."""

AGAIN: Mapping[str, Callable[[Kept], pl.DataFrame]] = {
    polygon_answers.NAME: polygon.again,
    binance.NAME: binance.again,
    yahoo_answers.NAME: yahoo.again,
    file.NAME: file.again,
}


def reread(
    source: str | None,
    payloads: Sequence[str | None],
    times: pl.Series,
    series: Series,
    calendar: Calendar,
    *,
    ratios: Mapping[date, Fraction],
    now: datetime,
) -> pl.DataFrame:
    """`model.BARS` and `origin`, a bar's place among `payloads`; what no bar can be made of is absent.

    `times` are those that were read then, `ratios` the splits in the prices that the source sent.
    """
    nothing = pl.DataFrame(schema={**BARS, "origin": pl.UInt32()})
    again = AGAIN.get(source or "")
    if again is None:
        return nothing
    found = []
    for places, rows in _alike(payloads):
        read = again(Kept(series, rows, times[places], calendar, ratios))
        placed = slots.placed(read, series.timeframe, calendar, now=now, delay=DELAY)
        found.append(placed.with_columns(origin=pl.Series(places, dtype=pl.UInt32)[placed["origin"]]))
    return pl.concat([nothing, *found])


def _alike(payloads: Sequence[str | None]) -> Iterator[tuple[list[int], list[dict[str, object]]]]:
    """The rows with the same fields together, and their places; what is no object is left out."""
    read = [(place, row) for place, payload in enumerate(payloads) if (row := _object(payload))]
    for fields in dict.fromkeys(tuple(row) for _, row in read):
        same = [(place, row) for place, row in read if tuple(row) == fields]
        yield [place for place, _ in same], [row for _, row in same]


def _object(payload: str | None) -> dict[str, object] | None:
    """The row in a payload, None where it is no JSON object."""
    try:
        row = json.loads(payload or "")
    except ValueError:
        return None
    return row if isinstance(row, dict) else None
