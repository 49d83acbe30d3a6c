"""Whole series, read once, and what the detectors say of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

import polars as pl
from psycopg import Connection

from barhouse import checks
from barhouse.calendar import Calendar
from barhouse.flow import sessions
from barhouse.flow.causes import Look
from barhouse.model import AssetClass, Instrument, Series, Timeframe
from barhouse.store import actions, quality
from barhouse.store.postgres import Database

TOGETHER = 1_000_000
"""Bars that are judged at a time, so that memory stays flat; an instrument is never parted."""

AT_ONCE = 2
"""Detectors that work at the same time: what each does of few rows leaves other processors idle."""

LATE = timedelta(hours=6).total_seconds()
"""Seconds of market time that a series may be late before anybody is told."""


@dataclass(frozen=True, slots=True)
class Group:
    """Instruments of one class and exchange, with what is stored of them."""

    instruments: Mapping[int, Instrument]
    timeframes: Sequence[Timeframe]

    @property
    def asset_class(self) -> AssetClass:
        """The class of all of them."""
        return next(iter(self.instruments.values())).asset_class

    @property
    def exchange(self) -> str:
        """Where all of them are traded."""
        return next(iter(self.instruments.values())).exchange


def groups(sized: Iterable[tuple[Series, int]]) -> Iterator[Group]:
    """Series with their sizes, by class and exchange, in groups of whole instruments that can be judged at a time."""
    for _, kind in groupby(sized, key=lambda one: (one[0].instrument.asset_class, one[0].instrument.exchange)):
        taken: list[tuple[Series, int]] = []
        for _, rows in groupby(kind, key=lambda one: one[0].instrument):
            own = list(rows)
            if taken and sum(bars for _, bars in taken + own) > TOGETHER:
                yield _group(taken)
                taken = []
            taken += own
        yield _group(taken)


def _group(taken: Sequence[tuple[Series, int]]) -> Group:
    instruments = {series.instrument.number: series.instrument for series, _ in taken}
    return Group(instruments, sorted({series.timeframe for series, _ in taken}, key=lambda each: each.minutes))


@dataclass(frozen=True, slots=True)
class Seen:
    """All bars of a group by their timeframe (`quality.BARS`, `checks.placed`), and what else there is to know."""

    group: Group
    calendar: Calendar
    bars: Mapping[Timeframe, pl.DataFrame]
    told: Mapping[Timeframe, pl.DataFrame]
    quarantined: Mapping[Timeframe, pl.DataFrame]
    newest: Mapping[Timeframe, pl.DataFrame]
    splits: pl.DataFrame


def seen(db: Database, connection: Connection, group: Group) -> Seen:
    """Read a group: two statements a timeframe for the bars, and four for all else, however many series there are."""
    keys, frames = list(group.instruments), group.timeframes
    calendar = sessions.calendar(db, group.exchange)
    bars = quality.bars(db, keys, frames)
    return Seen(
        group,
        calendar,
        bars={each: checks.placed(bars[each], calendar, each) for each in frames},
        told=quality.told(connection, keys, frames),
        quarantined=quality.quarantined(connection, keys, frames),
        newest=quality.newest(connection, keys, frames),
        splits=actions.splits(connection, keys),
    )


Detector = Callable[[Seen, Sequence[Timeframe], datetime], pl.DataFrame]


def found(
    seen: Seen, timeframes: Sequence[Timeframe], looks: Collection[Look], now: datetime
) -> dict[Look, pl.DataFrame]:
    """What the detectors find in the series of some timeframes, as each tells it, with the code of the `timeframe`."""
    with ThreadPoolExecutor(AT_ONCE) as detectors:
        told = {look: detectors.submit(DETECTORS[look], seen, timeframes, now) for look in looks}
    return {look: each.result() for look, each in told.items()}


def _in_turn(detect: Callable[[Seen, Timeframe, datetime], pl.DataFrame]) -> Detector:
    """A detector that looks at one timeframe after the other."""

    def detected(seen: Seen, timeframes: Sequence[Timeframe], now: datetime) -> pl.DataFrame:
        told = ((each, detect(seen, each, now)) for each in timeframes)
        rows = [rows.with_columns(timeframe=pl.lit(each.code, pl.Int16)) for each, rows in told if rows.height]
        return pl.concat(rows) if rows else pl.DataFrame()

    return detected


@_in_turn
def _gaps(seen: Seen, timeframe: Timeframe, _: datetime) -> pl.DataFrame:
    return checks.gaps(
        seen.bars[timeframe].select("instrument", "time", "high", "low", "volume", "extended", "forming"),
        calendar=seen.calendar,
        timeframe=timeframe,
        told=seen.told[timeframe],
        coarser=_proof(seen, timeframe),
        quarantined=seen.quarantined[timeframe],
    )


def _proof(seen: Seen, timeframe: Timeframe) -> pl.DataFrame | None:
    """The settled bars of longer timeframes, each with the time that it tells of."""
    longer = [each for each in seen.bars if each.minutes > timeframe.minutes]
    proofs = [
        _settled(seen.bars[each]).filter("on_grid").select("instrument", "opens", "closes", "volume") for each in longer
    ]
    return pl.concat(proofs) if proofs else None


def _outliers(seen: Seen, timeframes: Sequence[Timeframe], _: datetime) -> pl.DataFrame:
    return checks.outliers(
        seen.bars,
        asset_class=seen.group.asset_class,
        calendar=seen.calendar,
        splits=seen.splits,
        wanted=timeframes,
    )


@_in_turn
def _stale(seen: Seen, timeframe: Timeframe, now: datetime) -> pl.DataFrame:
    newest = seen.calendar.located(seen.newest[timeframe], timeframe).select(*checks.NEWEST, "closes")
    late = checks.overdue(newest, calendar=seen.calendar, timeframe=timeframe, now=now)
    return late.filter(pl.col("overdue_seconds") > LATE).sort("instrument")


@_in_turn
def _doubles(seen: Seen, timeframe: Timeframe, _: datetime) -> pl.DataFrame:
    bars = seen.bars[timeframe].select(*quality.BARS, fetch_id=pl.lit(None, pl.Int64))
    return checks.doubles(bars, calendar=seen.calendar, timeframe=timeframe)


def _settled(bars: pl.DataFrame) -> pl.DataFrame:
    return bars.filter(~pl.col("extended") & ~pl.col("forming"))


DETECTORS: Mapping[Look, Detector] = {
    Look.GAPS: _gaps,
    Look.OUTLIERS: _outliers,
    Look.STALENESS: _stale,
    Look.DUPLICATES: _doubles,
}
