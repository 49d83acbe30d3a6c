"""The times in a file, however they are written."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from barhouse.errors import UnreadableFile
from barhouse.model import INSTANT

NAIVE = pl.Datetime("us")

EPOCHS = (("ms", 0.0, 1e14, 1_000.0), ("µs", 1e14, 1e17, 1.0), ("ns", 1e17, 1e20, 1e-3))
"""Units of an epoch number, told by its size: a dump may change its unit half-way."""

SECONDS = (("seconds", 0.0, 1e11, 1_000_000.0),)
"""The unit of a column whose numbers are too small for the others: 1e11 ms is 1973, 1e11 s is the year 5138."""

SMALLEST_EPOCH = 1e6
DATES_IN_DIGITS = (18_000_101, 21_991_231)
"""Smaller numbers are no epoch, and these are dates like 20210720."""

FORMATS = {
    "%Y-%m-%d %H:%M:%S%.f": "date and time",
    "%Y-%m-%d": "date",
    "%Y-%m-%d %H:%M": "date and time",
    "%Y-%m-%d %I:%M %p": "12-hour date and time",
    "%Y-%m-%d %I:%M:%S %p": "12-hour date and time",
    "%Y%m%d": "date",
    "%Y%m%d %H:%M:%S%.f": "date and time",
    "%Y%m%d %H:%M": "date and time",
    "%b %d, %Y": "date",
    "%d %b %Y": "date",
    "%d-%b-%Y": "date",
}
"""How the wall clock is written once the zone is split off, dates stand year first, and `T` is a space."""

ZONE = r":\d{2}(?:\.\d+)?\s*(Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)$"
ZONE_AFTER = r"(:\d{2}(?:\.\d+)?)\s*(?:Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)$"
DAY_AND_MONTH = r"^(\d{1,2})[-/.](\d{1,2})[-/.](\d{4})"


@dataclass(frozen=True, slots=True)
class Stamps:
    """The times of a column: `time` as instants, `wall` as written (NULL for epoch numbers), `format` for people."""

    time: pl.Series
    wall: pl.Series
    format: str


def read(cells: pl.Series, zone: str) -> Stamps:
    """The times in `cells`, NULL where unreadable; what names no zone of its own is read in `zone`."""
    if isinstance(cells.dtype, pl.Datetime):
        return _typed(cells.cast(pl.Datetime("us", cells.dtype.time_zone)), zone)
    if cells.dtype == pl.Date:
        return Stamps(cells.cast(NAIVE).cast(INSTANT), cells.cast(NAIVE), "date")
    if cells.dtype.is_numeric():
        return _epochs(cells)
    text = cells.cast(pl.String).str.strip_chars()
    return _epochs(text) if _counted(text) else _written(text, zone)


def _typed(cells: pl.Series, zone: str) -> Stamps:
    """Datetimes that a file keeps as such."""
    if isinstance(cells.dtype, pl.Datetime) and cells.dtype.time_zone:
        return Stamps(cells.dt.convert_time_zone("UTC"), cells.dt.replace_time_zone(None), "date and time with zone")
    return Stamps(_placed(cells, zone), cells, f"date and time without zone, read as {zone}")


def _counted(text: pl.Series) -> bool:
    """Whether most of the cells are epoch numbers."""
    size = text.cast(pl.Float64, strict=False).abs()
    epochs = (size >= SMALLEST_EPOCH) & ~size.is_between(*DATES_IN_DIGITS)
    return int(epochs.sum()) * 2 > len(text) - text.null_count()


def _epochs(cells: pl.Series) -> Stamps:
    """Epoch numbers, each in the unit that its size tells."""
    frame = pl.DataFrame({"text": cells}).select(
        number=pl.col("text").cast(pl.Float64, strict=False), whole=pl.col("text").cast(pl.Int64, strict=False)
    )
    large = frame.select((pl.col("number").abs() >= SECONDS[0][2]).mean()).item() or 0.0
    units = EPOCHS if large > 0.5 else SECONDS
    unit = {name: pl.col("number").abs().is_between(low, high, closed="left") for name, low, high, _ in units}
    micros = pl.coalesce(pl.when(unit[name]).then(_micros(factor)) for name, _, _, factor in units)
    time = frame.select(micros.cast(INSTANT)).to_series()
    seen = [name for name in unit if frame.select(unit[name].any()).item()]
    return Stamps(time, pl.Series([None] * len(cells), dtype=NAIVE), f"epoch {' and '.join(seen)}")


def _micros(factor: float) -> pl.Expr:
    """Microseconds, in whole numbers where the cell is one: a float has no nanoseconds to spare."""
    whole = pl.col("whole") * int(factor) if factor >= 1 else pl.col("whole") // round(1 / factor)
    return pl.coalesce(whole, (pl.col("number") * factor).round().cast(pl.Int64))


def _written(text: pl.Series, zone: str) -> Stamps:
    """Dates and times in letters and digits; a file may mix several ways."""
    plain, zones = _tidied(text)
    wall, kinds = _parsed(plain)
    offset = _offset(zones)
    time = pl.select(pl.coalesce((wall - offset).cast(INSTANT), _placed(wall, zone)).alias("time")).to_series()
    format_ = " and ".join(dict.fromkeys(kinds))
    if "time" in format_:
        format_ += " with zone" if zones.null_count() < len(zones) else f" without zone, read as {zone}"
    return Stamps(time, wall, format_)


def _tidied(text: pl.Series) -> tuple[pl.Series, pl.Series]:
    """The cells in the spelling of FORMATS, and the zones that they bear."""
    zones = pl.Series([None] * len(text), dtype=pl.String)
    if _any(text, "T"):
        text = text.str.replace(r"^(\d{4}-?\d{2}-?\d{2})T", "$1 ")
    if _any(text.str.slice(10), "[-+ZUG]"):
        zones = text.str.extract(ZONE)
        text = text.str.replace(ZONE_AFTER, "$1")
    if _any(text.str.slice(10), "[Mm]"):
        text = text.str.replace(r" (\d{1,2})[- ]([AaPp][Mm])$", " $1:00 $2")
    if _any(text.str.slice(4, 1), "[/.]"):
        text = text.str.replace(r"^(\d{4})[/.](\d{1,2})[/.](\d{1,2})", "$1-$2-$3")
    return _year_first(text), zones


def _any(text: pl.Series, pattern: str) -> bool:
    return bool(text.str.contains(pattern).any())


def _year_first(text: pl.Series) -> pl.Series:
    """Dates of day, month and year in the order of ISO; UnreadableFile where nothing tells day from month."""
    if not _any(text.str.slice(1, 2), "[-/.]"):
        return text
    parts = text.to_frame("text").select(
        first=pl.col("text").str.extract(DAY_AND_MONTH, 1).cast(pl.Int32),
        second=pl.col("text").str.extract(DAY_AND_MONTH, 2).cast(pl.Int32),
    )
    if parts["first"].null_count() == len(parts):
        return text
    day_first, month_first = bool((parts["first"] > 12).any()), bool((parts["second"] > 12).any())
    if day_first == month_first:
        sample = text.filter(parts["first"].is_not_null())[0]
        raise UnreadableFile(f"Day and month of dates like {sample!r} cannot be told apart; write them YYYY-MM-DD")
    return text.str.replace(DAY_AND_MONTH, "$3-$2-$1" if day_first else "$3-$1-$2")


def _parsed(text: pl.Series) -> tuple[pl.Series, list[str]]:
    """The wall clock of each cell, and the ways in which they were written."""
    wall = pl.Series([None] * len(text), dtype=NAIVE)
    kinds: list[str] = []
    for pattern, kind in FORMATS.items():
        left = wall.is_null() & text.is_not_null()
        if not left.any():
            break
        found = text.set(~left, None).str.to_datetime(pattern, strict=False, time_unit="us")
        if found.null_count() < len(found):
            wall, kinds = wall.zip_with(~left, found), [*kinds, kind]
    return wall, kinds


def _offset(zones: pl.Series) -> pl.Series:
    """How far each zone is ahead of UTC; NULL where a cell bears none."""
    named = zones.is_in(["Z", "UTC", "GMT"])
    hours = pl.col("zone").str.extract(r"^([+-]\d{2})").cast(pl.Int64) * 60
    minutes = pl.col("zone").str.extract(r"^[+-]\d{2}:?(\d{2})").cast(pl.Int64).fill_null(0)
    signed = pl.when(pl.col("zone").str.starts_with("-")).then(-minutes).otherwise(minutes)
    frame = pl.DataFrame({"zone": zones, "named": named})
    total = pl.when(pl.col("named")).then(0).otherwise(hours + signed)
    return frame.select(pl.duration(minutes=total)).to_series()


def _placed(wall: pl.Series, zone: str) -> pl.Series:
    """Wall-clock times of `zone` as instants; NULL for those that do not exist or come twice."""
    local = wall.dt.replace_time_zone(zone, ambiguous="null", non_existent="null")
    return local.dt.convert_time_zone("UTC")
