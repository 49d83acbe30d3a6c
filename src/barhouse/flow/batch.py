"""What is kept at a time: answers of one source for several series of one kind, as bars that are ready to be sifted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import polars as pl

from barhouse.calendar import Calendar
from barhouse.flow.enrich import KEY, Kind
from barhouse.model import ALWAYS_OPEN, BARS, Timeframe, at
from barhouse.sources.base import Fetched
from barhouse.store.executions import Step


@dataclass(frozen=True, slots=True)
class Batch:
    """Answers of one source for several series of one kind, each series once: what is kept in one transaction."""

    fetched: Sequence[Fetched]
    calendar: Calendar
    delay: timedelta = timedelta(minutes=15)
    """How long after its close the source has a bar for good."""
    steps: Mapping[int, Step] = field(default_factory=dict)
    """The executions that it is kept for, by the number of the instrument."""

    @property
    def source(self) -> str:
        """Who answered."""
        return self.fetched[0].source

    @property
    def timeframe(self) -> Timeframe:
        """The timeframe of all its series."""
        return self.fetched[0].series.timeframe

    @property
    def kind(self) -> Kind:
        """What its series have in common."""
        return Kind(self.fetched[0].series.instrument.asset_class, self.timeframe, self.calendar)

    @property
    def keys(self) -> list[int]:
        """The numbers of its instruments."""
        return [each.series.instrument.number for each in self.fetched]

    @property
    def executions(self) -> Mapping[int, UUID]:
        """Which they are, by the number of the instrument."""
        return {key: step.claim.execution_id for key, step in self.steps.items()}

    @property
    def bars(self) -> pl.DataFrame:
        """All bars that came, each with the number of its instrument."""
        return pl.concat(
            each.bars.select(pl.lit(key, pl.Int32).alias("instrument"), *BARS, "origin")
            for key, each in zip(self.keys, self.fetched, strict=True)
        )


def revisit(calendar: Calendar) -> timedelta:
    """How long after a span's end its bars may still be restated: five sessions, two days where there are none."""
    return timedelta(days=2) if calendar.name == ALWAYS_OPEN else timedelta(days=7)


def with_forming(sound: pl.DataFrame, batch: Batch, now: datetime) -> pl.DataFrame:
    """The bars with `forming` as of `now`; only the newest ones have to be looked up in the calendar."""
    horizon = now - batch.delay - timedelta(days=7)
    recent = sound.filter(pl.col("time") > at(horizon))
    if recent.is_empty():
        return sound.with_columns(forming=pl.lit(value=False))
    closes = batch.calendar.located(recent, batch.timeframe)["closes"]
    late = recent.select(*KEY, forming=closes + batch.delay > at(now))
    return (
        sound.drop("forming")
        .join(late, on=KEY, how="left", maintain_order="left")
        .with_columns(pl.col("forming").fill_null(value=False))
        .select(sound.columns)
    )
