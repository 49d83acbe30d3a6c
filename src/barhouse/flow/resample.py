"""Bars that are built out of stored finer ones while they are read; a slot that lacks one of them is left out."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import timedelta

import polars as pl

from barhouse import features
from barhouse.calendar import Calendar
from barhouse.errors import InvalidParameter
from barhouse.flow import sessions
from barhouse.model import ALWAYS_OPEN, INSTANT, Instrument, Series, Span, Timeframe, merged
from barhouse.store import coverage, history, instruments, reading
from barhouse.store.postgres import Database
from barhouse.store.reading import PAGE, Selection

DAY = timedelta(days=1)
TICK = timedelta(microseconds=1)


def can(instrument: Instrument, finer: Timeframe, timeframe: Timeframe) -> bool:
    """Whether such bars follow from finer ones: on an exchange those of 4 hours, from its open, from 30 minutes on."""
    if finer.minutes >= timeframe.minutes:
        return False
    return timeframe is not Timeframe.H4 or instrument.exchange == ALWAYS_OPEN or finer.minutes <= Timeframe.M30.minutes


def choice(instrument: Instrument, timeframe: Timeframe, kept: Collection[Timeframe]) -> Timeframe | None:
    """The longest of the kept bars that such bars can be built from, None if there are none."""
    fitting = [each for each in kept if can(instrument, each, timeframe)]
    return max(fitting, key=lambda each: each.minutes, default=None)


def finer(db: Database, series: Series, asked: Timeframe | None = None) -> Timeframe | None:
    """What the bars of `series` are built from if they are not stored, or what was asked for; None: nothing is there.

    InvalidParameter (422) where such bars do not follow from those that were asked for.
    """
    if asked is not None:
        return fitting(series, asked)
    with db.connection() as connection:
        rows = instruments.managed(connection, [series.instrument.number])
    kept = {Timeframe.of(row["timeframe"]) for row in rows if row["bars"]}
    return None if series.timeframe in kept else choice(series.instrument, series.timeframe, kept)


def fitting(series: Series, asked: Timeframe) -> Timeframe:
    """The shorter bars that were asked for; InvalidParameter (422) where the series does not follow from them."""
    if can(series.instrument, asked, series.timeframe):
        return asked
    others = [each for each in Timeframe if can(series.instrument, each, series.timeframe)]
    there = f"from {' '.join(others)}" if others else "from nothing, they are the shortest there are"
    raise InvalidParameter(f"resample_from: {series.timeframe} bars of {series.instrument} are built {there}")


def bars(db: Database, selection: Selection, limit: int = PAGE) -> pl.DataFrame:
    """The first `limit` built bars of a selection, oldest first; `Selection.columns`."""
    return pl.concat(pages(db, selection, min(PAGE, limit), limit))


def pages(db: Database, selection: Selection, size: int = PAGE, limit: int | None = None) -> Iterator[pl.DataFrame]:
    """All built bars of a selection, or the first `limit`, oldest first; an empty frame if there are none."""
    left, calendar = sys.maxsize if limit is None else limit, _calendar(db, selection)
    yield pl.DataFrame(schema=selection.schema)
    for slots in _stretches(db, selection, calendar, size):
        page = _built(db, selection, calendar, slots).head(left)
        left -= page.height
        if page.height:
            yield page
        if left <= 0:
            return


def newest(db: Database, selection: Selection, count: int) -> pl.DataFrame:
    """The last `count` built bars of a selection, oldest first."""
    calendar, found = _calendar(db, selection), [pl.DataFrame(schema=selection.schema)]
    for slots in reversed(list(_stretches(db, selection, calendar, PAGE))):
        found.append(_built(db, selection, calendar, slots))
        if sum(page.height for page in found) >= count:
            break
    return pl.concat(reversed(found)).tail(count)


def _calendar(db: Database, selection: Selection) -> Calendar:
    """The calendar of a selection that can be built; InvalidParameter (422) for what built bars have not."""
    if selection.features:
        raise InvalidParameter("features: bars that are built while they are read have none; track their timeframe")
    if selection.extended:
        raise InvalidParameter("session: bars that are built while they are read are those of the regular session")
    return sessions.calendar(db, selection.series.instrument.exchange)


def _source(selection: Selection) -> Series:
    """The series that a selection is built from."""
    assert selection.finer is not None  # noqa: S101
    return Series(selection.series.instrument, selection.finer)


def _stretches(db: Database, selection: Selection, calendar: Calendar, size: int) -> Iterator[pl.DataFrame]:
    """The slots that are wanted, where there are finer bars at all: as many at a time as hold about `size` of those."""
    source, timeframe = _source(selection), selection.series.timeframe
    with db.connection() as connection:
        stored = instruments.extent(connection, source)
    near = stored and selection.span.common(Span(stored.start - timeframe.duration, stored.end + DAY))
    if not stored or not near:
        return
    slots = calendar.expected(timeframe, near)
    slots = slots.filter(pl.col("closes") > stored.start, pl.col("opens") < stored.end)
    yield from slots.iter_slices(max(1, size * source.timeframe.minutes // timeframe.minutes))


def _built(db: Database, selection: Selection, calendar: Calendar, slots: pl.DataFrame) -> pl.DataFrame:
    """The bars of these slots that all finer bars are there for."""
    source = _source(selection)
    expected = _expected(calendar, source.timeframe, slots)
    span = Span(expected["time"][0], expected["time"][-1] + TICK)
    fine = Selection(source, span, as_of=selection.as_of)
    found = (reading if fine.as_of is None else history).bars(db, fine, sys.maxsize)
    absent = expected.join(found, on="time", how="anti")
    holes = absent if absent.is_empty() else _holes(db, fine, absent)
    return _finished(built(calendar, found, source.timeframe, slots, selection.series.timeframe, holes), selection)


def built(
    calendar: Calendar,
    bars: pl.DataFrame,
    finer: Timeframe,
    slots: pl.DataFrame,
    timeframe: Timeframe,
    holes: pl.DataFrame,
) -> pl.DataFrame:
    """Bars of `slots` [time, opens, …] out of finer ones; none in a slot that holds one of the `holes` [opens]."""
    torn = holes.sort("opens").join_asof(slots.select("opens", slot="time"), on="opens")["slot"]
    whole = slots.filter(~pl.col("time").is_in(torn.drop_nulls().implode()))
    return calendar.build(bars, finer, timeframe).join(whole.select("time"), on="time", how="semi")


def _expected(calendar: Calendar, finer: Timeframe, slots: pl.DataFrame) -> pl.DataFrame:
    """The finer slots of these slots."""
    first, last = slots["opens"][0], slots["closes"][-1]
    near = calendar.expected(finer, Span(first - DAY, last + DAY))
    return near.filter(pl.col("opens") >= first, pl.col("closes") <= last)


def _holes(db: Database, fine: Selection, absent: pl.DataFrame) -> pl.DataFrame:
    """Those of the absent slots that may have held a bar: of short ones, those that nobody read, or that came later."""
    if fine.series.timeframe.minutes > features.LONGEST_QUIET:
        return absent
    with db.connection() as connection:
        told = coverage.read(connection, [fine.series.instrument.number], fine.series.timeframe)
    spans = merged(Span(start, end) for _, start, end in told.iter_rows())
    read = pl.DataFrame([(each.start, each.end) for each in spans], {"opens": INSTANT, "until": INSTANT}, orient="row")
    quiet = absent.sort("opens").join_asof(read, on="opens").filter(pl.col("closes") <= pl.col("until"))
    if fine.as_of is not None:
        today = reading.bars(db, replace(fine, as_of=None), sys.maxsize)
        quiet = quiet.join(today, on="time", how="anti")
    return absent.join(quiet, on="time", how="anti")


def _finished(bars: pl.DataFrame, selection: Selection) -> pl.DataFrame:
    """Built bars that are good enough, and say what they are built from."""
    good = bars.filter(pl.col("time").is_between(selection.span.start, selection.span.end, closed="left"))
    if selection.validated_only:
        good = good.filter("validated")
    if selection.min_quality > 0:
        good = good.filter(pl.col("quality_score") >= selection.min_quality)
    return good.with_columns(built_from=pl.lit(str(selection.finer))).select(selection.columns).cast(selection.schema)  # type: ignore[arg-type]
