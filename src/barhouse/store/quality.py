"""Whole series as they are judged, and the daily figures that come of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

import polars as pl
from psycopg import Connection
from psycopg.rows import dict_row

from barhouse.model import INSTANT, PRICES, AssetClass, Instrument, Schema, Series, Timeframe
from barhouse.store.postgres import Database
from barhouse.store.queries import queries

query = queries("quality")

BARS: Schema = {
    "instrument": pl.Int32(),
    "time": INSTANT,
    **PRICES,
    "volume": pl.Float64(),
    "quality_score": pl.Float64(),
    "extended": pl.Boolean(),
    "forming": pl.Boolean(),
    "validated": pl.Boolean(),
}
"""What is read of a bar to judge it."""

READERS = 2
"""Bars are read over so many connections at once: taking them in is more work than sending them."""

TOLD: Schema = {"instrument": pl.Int32(), "start": INSTANT, "end": INSTANT, "state": pl.String()}
TIMES: Schema = {"instrument": pl.Int32(), "time": INSTANT}
NEWEST: Schema = {"instrument": pl.Int32(), "time": INSTANT, "delay": pl.Duration("us")}
CAUSES: Schema = {"instrument": pl.Int32(), "timeframe": pl.Int16(), "time": INSTANT, "is_gap": pl.Boolean()}

DAYS: Schema = {
    "instrument": pl.Int32(),
    "date": pl.Date(),
    "total_records": pl.Int32(),
    "validated_records": pl.Int32(),
    "validation_rate": pl.Float64(),
    "gaps_detected": pl.Int32(),
    "anomalies_detected": pl.Int32(),
    "avg_quality_score": pl.Float64(),
    "data_completeness": pl.Float64(),
}
"""The figures of a day; its rate in percent, NULL where there was nothing to validate."""


def series(connection: Connection, instruments: Sequence[int]) -> list[tuple[Series, int]]:
    """All series of these instruments, each with how many bars it has, by class and exchange."""
    rows = connection.execute(query.series, {"instruments": list(instruments)})
    return [
        (Series(Instrument(symbol, AssetClass(asset_class), exchange, key), Timeframe.by_code(code)), bars)
        for key, symbol, asset_class, exchange, code, bars in rows
    ]


def bars(db: Database, instruments: Sequence[int], timeframes: Sequence[Timeframe]) -> dict[Timeframe, pl.DataFrame]:
    """All bars of some instruments by their timeframe (`BARS`), by instrument and time."""
    middle = len(instruments) // 2
    parts = [part for part in (instruments[:middle], instruments[middle:]) if part]
    with ThreadPoolExecutor(READERS) as readers:
        told = {each: [readers.submit(_bars, db, part, each) for part in parts] for each in timeframes}
    return {each: pl.concat([part.result() for part in of_it], rechunk=True) for each, of_it in told.items()}


def _bars(db: Database, instruments: Sequence[int], timeframe: Timeframe) -> pl.DataFrame:
    """All bars of some instruments in one timeframe."""
    found = db.frame(query.bars, [list(instruments), timeframe.code])
    marks = {name: (pl.col("marks") & 1 << bit) != 0 for bit, name in enumerate(("extended", "forming", "validated"))}
    return found.select(pl.exclude("marks"), **marks).cast(pl.Schema(BARS))


def told(
    connection: Connection, instruments: Sequence[int], timeframes: Iterable[Timeframe]
) -> dict[Timeframe, pl.DataFrame]:
    """What was asked of any source for some series (`TOLD`), by their timeframe."""
    rows = connection.execute(query.told, {"instruments": list(instruments)})
    return _by_timeframe(rows, TOLD, timeframes)


def quarantined(
    connection: Connection, instruments: Sequence[int], timeframes: Iterable[Timeframe]
) -> dict[Timeframe, pl.DataFrame]:
    """The times of the rows of some series that are in quarantine (`TIMES`), by their timeframe."""
    rows = connection.execute(query.quarantined, {"instruments": list(instruments)})
    return _by_timeframe(rows, TIMES, timeframes)


def newest(
    connection: Connection, instruments: Sequence[int], timeframes: Iterable[Timeframe]
) -> dict[Timeframe, pl.DataFrame]:
    """The newest settled bars of some series, and how long after their close their source has one (`NEWEST`)."""
    rows = connection.execute(query.newest, {"instruments": list(instruments)})
    return _by_timeframe(rows, NEWEST, timeframes)


def _by_timeframe(
    rows: Iterable[Sequence[Any]], schema: Schema, timeframes: Iterable[Timeframe]
) -> dict[Timeframe, pl.DataFrame]:
    """Rows that begin with the code of a timeframe, in a frame for each one."""
    parted: dict[int, list[Sequence[Any]]] = defaultdict(list)
    for code, *row in rows:
        parted[code].append(row)
    return {each: pl.DataFrame(parted[each.code], schema=schema, orient="row") for each in timeframes}


def causes(connection: Connection, instruments: Sequence[int]) -> pl.DataFrame:
    """What is wrong with single bars of some instruments, and not resolved yet (`CAUSES`)."""
    rows = connection.execute(query.causes, {"instruments": list(instruments)}).fetchall()
    return pl.DataFrame(rows, schema=CAUSES, orient="row")


def known_days(db: Database, instruments: Sequence[int]) -> pl.DataFrame:
    """The daily figures of some instruments as they were written down (`DAYS`), in no order."""
    return db.frame(query.known_days, [list(instruments)]).cast(pl.Schema(DAYS))


def keep_days(connection: Connection, days: pl.DataFrame) -> None:
    """Write down daily figures (`DAYS`), in the place of those that were known."""
    if days.is_empty():
        return
    names = ["instruments", "dates", "totals", "validated", "rates", "gaps", "anomalies", "qualities", "completeness"]
    connection.execute(query.keep_days, {name: days[of].to_list() for name, of in zip(names, DAYS, strict=True)})


def drop_days(connection: Connection, days: pl.DataFrame) -> None:
    """Take away the figures of days (instrument, date) on which nothing is expected any more."""
    if days.height:
        gone = {"instruments": days["instrument"].to_list(), "dates": days["date"].to_list()}
        connection.execute(query.drop_days, gone)


def days(connection: Connection, instrument: Instrument, since: date) -> list[dict[str, Any]]:
    """The daily figures of an instrument from a day on, newest first."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query.days, {**_names(instrument), "since": since}).fetchall()


def fetches(connection: Connection, instrument: Instrument, limit: int) -> list[dict[str, Any]]:
    """The latest fetches of an instrument, newest first."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query.fetches, {**_names(instrument), "limit": limit}).fetchall()


def overview(connection: Connection, instrument: int | None, since: date | None) -> list[dict[str, Any]]:
    """One instrument or all with their days from `since` on put together, and how much of everything is wrong."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query.overview, {"instrument": instrument, "since": since}).fetchall()


PARTS, LATELY = 24, 240
"""Points of the course of a quality, and the newest bars that they are means of."""


@dataclass(frozen=True, slots=True)
class Scored:
    """Of which series the quality is wanted, all where it is None, and which page of them."""

    since: date
    """The days of instruments count after this one."""
    text: str | None = None
    """What their symbols hold, in any case."""
    timeframe: str | None = None
    asset_class: str | None = None
    limit: int = 50
    offset: int = 0


def scores(connection: Connection, wanted: Scored) -> list[dict[str, Any]]:
    """A page of series with the quality of their newest bars and its course; `found` counts them all."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query.scores, asdict(wanted) | {"parts": PARTS, "newest": LATELY}).fetchall()


def trend(connection: Connection, since: date) -> list[dict[str, Any]]:
    """The days from `since` on over all instruments, oldest first; shares are of one, means weighted by records.

    `date, records, validated, score, completeness, gaps, anomalies`
    """
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query.trend, {"since": since}).fetchall()


def corrected(connection: Connection, series: Series, since: datetime) -> list[datetime]:
    """The times of the bars of a series, from `since` on, that were ever corrected."""
    told = {"instrument": series.instrument.number, "timeframe": series.timeframe.code, "since": since}
    return [moment for (moment,) in connection.execute(query.corrected, told)]


def _names(instrument: Instrument) -> dict[str, str]:
    return {"symbol": instrument.symbol, "asset_class": instrument.asset_class}
