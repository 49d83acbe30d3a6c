"""What is tracked: instruments, their series and since when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
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


def numbered(connection: Connection, keys: Sequence[int]) -> list[Instrument]:
    """The instruments with these numbers, those that are there, by symbol."""
    return [_instrument(*row) for row in connection.execute(sql.numbered, {"instruments": list(keys)})]


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


def move(connection: Connection, keys: Sequence[int], exchange: str) -> set[int]:
    """Put instruments on another exchange; those of which bars are kept already stay, and are not in the answer."""
    return {key for (key,) in connection.execute(sql.move, {"instruments": list(keys), "exchange": exchange})}


def add_series(connection: Connection, series: Series) -> Series:
    """`series` with its number in the warehouse, kept but not yet tracked if it is new."""
    instrument = add(connection, series.instrument)
    connection.execute(sql.add_series, {"instrument": instrument.key, "timeframe": series.timeframe.code})
    return Series(instrument, series.timeframe)


def track(connection: Connection, series: Series, since: datetime = EARLIEST) -> Series:
    """Keep `series` up to date from now on, from `since` or the earliest start that was ever asked for."""
    return track_all(connection, {series: since})[0]


def track_all(connection: Connection, starts: Mapping[Series, datetime]) -> list[Series]:
    """Keep many series up to date from now on, each from its start or the earliest one that was ever asked for."""
    wanted = {(each.instrument.symbol, each.instrument.asset_class): each.instrument for each in starts}
    symbols, classes = [symbol for symbol, _ in wanted], [asset_class for _, asset_class in wanted]
    exchanges = [each.exchange for each in wanted.values()]
    connection.execute(sql.add_all, {"symbols": symbols, "classes": classes, "exchanges": exchanges})
    known = {each: each for found in among(connection, symbols).values() for each in found}
    series = [Series(known[each.instrument], each.timeframe) for each in starts]
    keys = [each.instrument.number for each in series]
    connection.execute(sql.activate, {"instruments": sorted(set(keys))})
    frames = [each.timeframe.code for each in series]
    connection.execute(sql.track, {"instruments": keys, "timeframes": frames, "starts": list(starts.values())})
    return series


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which instruments are to be listed, all of them where it is None, and which page of them."""

    text: str | None = None
    """What their symbols hold, in any case."""
    asset_class: AssetClass | None = None
    active: bool | None = None
    timeframe: Timeframe | None = None
    """Tracked in this one."""
    behind: int | None = None
    """The number of the last one of the page before."""
    limit: int = 50
    offset: int = 0


def chosen(connection: Connection, wanted: Chosen) -> tuple[list[int], int]:
    """A page of the numbers of instruments, by symbol, and how many there are behind and in it."""
    told = asdict(wanted) | {"timeframe": None if wanted.timeframe is None else wanted.timeframe.code}
    rows = connection.execute(sql.chosen, told).fetchall()
    return [key for key, _ in rows], rows[0][1] if rows else 0


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


def begin(connection: Connection, keys: Sequence[int], since: datetime) -> None:
    """Let the bars of all tracked series of some instruments be wanted from `since` on."""
    connection.execute(sql.begin, {"instruments": list(keys), "since": since})


def series_of(connection: Connection, instrument: Instrument) -> list[Series]:
    """What is kept of an instrument, shortest bars first."""
    rows = connection.execute(sql.series_of, {"instrument": instrument.number})
    return [Series(instrument, Timeframe.by_code(code)) for (code,) in rows]


def names(connection: Connection, asset_class: AssetClass | None = None) -> list[str]:
    """The symbols of which a series is known, each once, in order."""
    return [symbol for (symbol,) in connection.execute(sql.names, {"asset_class": asset_class})]


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
