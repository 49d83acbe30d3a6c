"""What is tracked: instruments, their series and since when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection
from psycopg.rows import dict_row

from barhouse.errors import AmbiguousSymbol, UnknownSymbol
from barhouse.model import EARLIEST, AssetClass, Instrument, Series, Span, Timeframe
from barhouse.store.queries import queries

sql = queries("instruments")


@dataclass(frozen=True, slots=True)
class Tracked:
    """A series that is kept up to date, from `since` on."""

    series: Series
    since: datetime
    delay: timedelta
    """How long after its close a bar is there, at the source of its newest one."""


def find(connection: Connection, symbol: str, asset_class: AssetClass | None = None) -> Instrument:
    """The instrument of `symbol`; UnknownSymbol (404) if there is none, AmbiguousSymbol (409) if several."""
    rows = connection.execute(sql.named, {"symbol": symbol, "asset_class": asset_class}).fetchall()
    match rows:
        case []:
            raise UnknownSymbol(symbol)
        case [row]:
            return _instrument(*row)
        case _:
            raise AmbiguousSymbol(symbol, (row[2] for row in rows))


def among(
    connection: Connection, symbols: Sequence[str], asset_class: AssetClass | None = None
) -> dict[str, list[Instrument]]:
    """The instruments of some symbols (of a class), by symbol."""
    found: dict[str, list[Instrument]] = {}
    for row in connection.execute(sql.among, {"symbols": list(symbols), "asset_class": asset_class}):
        found.setdefault(row[1], []).append(_instrument(*row))
    return found


def meant(connection: Connection, symbol: str, asset_class: AssetClass | None = None) -> Instrument:
    """The instrument that a caller means by `symbol`: the one there is, else a stock that nobody keeps yet."""
    try:
        return find(connection, symbol, asset_class)
    except UnknownSymbol:
        return Instrument(symbol, asset_class or AssetClass.STOCK)


def add(connection: Connection, instrument: Instrument) -> Instrument:
    """`instrument` with its number in the warehouse, which is given if it is new."""
    names = {"symbol": instrument.symbol, "asset_class": instrument.asset_class}
    connection.execute(sql.add, {**names, "exchange": instrument.exchange})
    return find(connection, instrument.symbol, instrument.asset_class)


def move(connection: Connection, instrument: Instrument, exchange: str) -> bool:
    """Put an instrument on another exchange; not, where bars of it are kept already."""
    return connection.execute(sql.move, {"instrument": instrument.key, "exchange": exchange}).fetchone() is not None


def add_series(connection: Connection, series: Series) -> Series:
    """`series` with its number in the warehouse, kept but not yet tracked if it is new."""
    instrument = add(connection, series.instrument)
    connection.execute(sql.add_series, {"instrument": instrument.key, "timeframe": series.timeframe.code})
    return Series(instrument, series.timeframe)


def track(connection: Connection, series: Series, since: datetime = EARLIEST) -> Series:
    """Keep `series` up to date from now on, from `since` or the earliest start that was ever asked for."""
    instrument = add(connection, series.instrument)
    connection.execute(sql.activate, {"instrument": instrument.key})
    connection.execute(sql.track, {"instrument": instrument.key, "timeframe": series.timeframe.code, "since": since})
    return Series(instrument, series.timeframe)


def managed(connection: Connection, keys: Sequence[int] | None = None) -> list[dict[str, Any]]:
    """A row a series of the instruments with these numbers, or of all: what is tracked since when, what is stored."""
    told = {"instruments": None if keys is None else list(keys)}
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(sql.managed, told).fetchall()


def extent(connection: Connection, series: Series) -> Span | None:
    """From the first bar of a series to the end of its last one, by the clock; None where there are none."""
    told = {"instrument": series.instrument.number, "timeframe": series.timeframe.code}
    row = connection.execute(sql.extent, told).fetchone()
    return Span(row[0], row[1] + series.timeframe.duration) if row else None


def set_active(connection: Connection, keys: Sequence[int], *, active: bool) -> None:
    """Put instruments away, or bring them back; bars and what is tracked stay as they are."""
    connection.execute(sql.set_active, {"instruments": list(keys), "active": active})


def untrack(connection: Connection, keys: Sequence[int], timeframes: Sequence[Timeframe]) -> int:
    """How many series are not kept up to date any more from now on; their bars stay."""
    told = {"instruments": list(keys), "timeframes": [timeframe.code for timeframe in timeframes]}
    return len(connection.execute(sql.untrack, told).fetchall())


def begin(connection: Connection, instrument: Instrument, since: datetime) -> None:
    """Let the bars of all tracked series of an instrument be wanted from `since` on."""
    connection.execute(sql.begin, {"instrument": instrument.number, "since": since})


def series_of(connection: Connection, instrument: Instrument) -> list[Series]:
    """What is kept of an instrument, shortest bars first."""
    rows = connection.execute(sql.series_of, {"instrument": instrument.number})
    return [Series(instrument, Timeframe.by_code(code)) for (code,) in rows]


def filled(connection: Connection) -> list[Instrument]:
    """Every instrument that bars are kept of, by symbol."""
    return [_instrument(*row) for row in connection.execute(sql.filled)]


def watched(connection: Connection) -> list[Instrument]:
    """Every active instrument of which a series is kept up to date, or has bars; by symbol."""
    return [_instrument(*row) for row in connection.execute(sql.watched)]


def beginnings(connection: Connection, instrument: Instrument) -> dict[Timeframe, datetime]:
    """From when on each series of an instrument was read or has bars; those of which nothing is known are left out."""
    rows = connection.execute(sql.beginnings, {"instrument": instrument.number})
    return {Timeframe.by_code(code): begins for code, begins in rows if begins}


def tracked(connection: Connection, keys: Sequence[int] | None = None) -> list[Tracked]:
    """Every series that is kept up to date, of the instruments with these numbers or of all, by symbol."""
    told = {"instruments": None if keys is None else list(keys)}
    return [
        Tracked(Series(_instrument(*row[:4]), Timeframe.by_code(row[4])), *row[5:])
        for row in connection.execute(sql.tracked, told)
    ]


def stored(connection: Connection, keys: list[int] | None = None) -> list[Series]:
    """The series of the instruments with these numbers, or of all; tracked or not."""
    rows = connection.execute(sql.stored, {"instruments": keys})
    return [Series(_instrument(*row[:4]), Timeframe.by_code(row[4])) for row in rows]


def described(connection: Connection) -> list[dict[str, Any]]:
    """Every series with what is stored of it: bars, first and last, revision."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(sql.described).fetchall()


def judged(connection: Connection) -> list[dict[str, Any]]:
    """Every series that has bars: how many, their mean quality, how many have features. Reads all settled bars."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(sql.judged).fetchall()


def source_code(connection: Connection, name: str) -> int:
    """The number of a source in the bars, which is given if it is new."""
    connection.execute(sql.add_source, {"name": name})
    return next(code for code, known in source_names(connection).items() if known == name)


def source_names(connection: Connection) -> dict[int, str]:
    """The names of the sources by their numbers."""
    return dict(connection.execute(sql.sources).fetchall())


def _instrument(key: int, symbol: str, asset_class: str, exchange: str) -> Instrument:
    return Instrument(symbol, AssetClass(asset_class), exchange, key)
