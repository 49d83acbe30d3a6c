"""A series as a calendar: where the cell of each day stands, and in which colour."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from barhouse.flow.presence import FINE

CELL, PITCH = 11, 13
LEFT, TOP = 36, 16
"""Room for the names of the weekdays, and of the months above."""
WEEKS = 54
WIDTH = LEFT + WEEKS * PITCH


@dataclass(frozen=True, slots=True)
class Year:
    """A year as a drawing: one path a colour, a column a week, a row a weekday; of weekly bars a single row."""

    number: int
    paths: list[tuple[str, str]]
    """Classes, and the cells of all days that are so."""
    months: list[tuple[int, str]]
    height: int


def years(days: pl.DataFrame, first: date, last: date, *, weekly: bool) -> list[Year]:
    """The years from `first` to `last`, newest first, out of days (`presence.DAYS`); other days are closed."""
    every = _every(first, last, weekly=weekly).join(days, on="date", how="left").with_columns(look=_look())
    cells = every.with_columns(*_place(weekly=weekly)).with_columns(
        cell=pl.format(f"M{{}} {{}}h{CELL}v{CELL}h-{CELL}z", pl.col("x"), pl.col("y"))
    )
    paths = cells.group_by("year", "look", maintain_order=True).agg(pl.col("cell").str.join(""))
    height = TOP + PITCH * (1 if weekly else 7)
    return [
        Year(number, own.select("look", "cell").rows(), list(_months(number)), height)
        for (number,), own in paths.sort("year", descending=True, maintain_order=True).group_by(
            "year", maintain_order=True
        )
    ]


def _every(first: date, last: date, *, weekly: bool) -> pl.DataFrame:
    dates = pl.date_range(first, last, "1d", eager=True).alias("date").to_frame()
    return dates.filter(pl.col("date").dt.weekday() == 1) if weekly else dates


def _look() -> pl.Expr:
    """The class of a day: how it stands, `some` where a part of its bars is there, `closed` without a session."""
    partly = ~pl.col("state").is_in(FINE) & (pl.col("present") > 0)
    told = pl.col("state").cast(pl.String)
    return pl.when(partly).then(pl.format("{} some", told)).otherwise(told).fill_null("closed")


def _place(*, weekly: bool) -> Iterator[pl.Expr]:
    """The year of a day, and the upper left corner of its cell."""
    day, begins = pl.col("date"), pl.date(pl.col("date").dt.year(), 1, 1)
    number = day.dt.ordinal_day().cast(pl.Int32) - 1
    week = number // 7 if weekly else (number + begins.dt.weekday() - 1) // 7
    yield day.dt.year().alias("year")
    yield (LEFT + PITCH * week).alias("x")
    yield (pl.lit(TOP) if weekly else TOP + PITCH * (day.dt.weekday().cast(pl.Int32) - 1)).alias("y")


def _months(year: int) -> Iterator[tuple[int, str]]:
    """Where each month begins."""
    begins = date(year, 1, 1)
    for month in range(1, 13):
        day = date(year, month, 1)
        yield LEFT + PITCH * (((day - begins).days + begins.weekday()) // 7), f"{day:%b}"


def runs(days: pl.DataFrame) -> list[list[Any]]:
    """The days for a script that points at them: neighbours that are alike as [first, last, state, present, due]."""
    alike = pl.struct("state", "present", "expected").rle_id()
    apart = (pl.col("date").diff() != pl.duration(days=1)).fill_null(value=True).cum_sum()
    told = days.group_by(alike.alias("alike"), apart.alias("apart"), maintain_order=True).agg(
        pl.min("date").cast(pl.String).alias("first"),
        pl.max("date").cast(pl.String).alias("last"),
        pl.first("state").cast(pl.String),
        pl.first("present"),
        pl.first("expected"),
    )
    return [list(row) for row in told.drop("alike", "apart").iter_rows()]
