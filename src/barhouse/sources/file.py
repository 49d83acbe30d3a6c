"""Bars from files that people have."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl

from barhouse.calendar import Calendar
from barhouse.errors import UnreadableFile
from barhouse.model import ALWAYS_OPEN, EXTRAS, INSTANT, Series, Span, Timeframe
from barhouse.sources import decode, headings, slots, stamps, table
from barhouse.sources.base import Fetched, Kept

NAME = "file"
IMPLIED = 0.02
"""How far outside its bar the price may lie that turnover over volume implies."""

FEWEST_GAPS, MANY_GAPS = 3, 20
"""So many gaps between rows tell that bars are shorter than said, or longer: few trades look long, too."""

NEARLY_ALL = 0.9
"""The share of gaps that must agree: a change of the clock makes a day of 23 hours."""


@dataclass(frozen=True, slots=True)
class Report:
    """What was made of a file: `columns` maps our names to its headings, `notes` are sentences for people."""

    rows: int
    columns: dict[str, str]
    time_format: str
    order: str
    notes: list[str]


def read(path: Path, series: Series, calendar: Calendar, *, now: datetime, zone: str = "UTC") -> tuple[Fetched, Report]:
    """The bars in the CSV or Parquet file at `path`, and what was taken as what; UnreadableFile if it holds none.

    Times that name no zone are read in `zone`. A row without a readable time is among the rejects; a number that
    is none is NULL in its bar, for the checks to judge.
    """
    file = table.read(path, columns=6)
    columns = headings.recognised(file.cells.columns) if file.headings else headings.by_place(file.cells)
    times = _times(file.cells, columns["time"], zone)
    numbers, unread = _numbers(file, columns)
    rows, swapped = _volumes(numbers)
    rows = rows.with_columns(_opens(times, series), origin=pl.int_range(pl.len(), dtype=pl.UInt32))
    timed = rows.filter(pl.col("time").is_not_null())
    if timed.is_empty():
        raise UnreadableFile(f"No row with a readable time in column {columns['time']!r}")
    _same_timeframe(timed["time"], series.timeframe)
    bars = slots.placed(timed, series.timeframe, calendar, now=now, delay=timedelta(0))
    fetched = Fetched(
        series=series,
        source=NAME,
        span=_span(bars["time"], series.timeframe),
        bars=bars,
        raw=file.cells,
        expects=frozenset(columns) & {*EXTRAS, "taker_buy_volume"},
        rejects=_rejects(file, rows),
        calls=0,
    )
    left = headings.notes(file.cells.columns, columns.values()) if file.headings else []
    notes = [*unread, *swapped, *left, *_off_grid(bars, series.timeframe, calendar)]
    count = len(file.cells) + len(file.broken)
    return fetched, Report(count, columns, times.format, _order(timed["time"]), notes)


def again(kept: Kept) -> pl.DataFrame:
    """Rows of old files, at the times read then, as `time`, measures and `origin`; none without known headings."""
    cells, _ = decode.texts(kept.rows, list(kept.rows[0]))
    try:
        columns = headings.recognised(cells.columns)
    except UnreadableFile:
        return decode.NO_ROWS
    numbers, _ = _numbers(table.Table(cells), columns)
    rows, _ = _volumes(numbers)
    return rows.with_columns(time=kept.times, origin=pl.int_range(pl.len(), dtype=pl.UInt32)).drop_nulls("time")


def _times(cells: pl.DataFrame, heading: str, zone: str) -> stamps.Stamps:
    """The times of the rows; the clock may stand in a column beside the date."""
    date = next((name for name in cells.columns if headings.bare(name) == "date" and name != heading), None)
    if date and headings.bare(heading) == "time" and cells[heading].dtype == pl.String:
        return stamps.read(cells[date] + " " + cells[heading], zone)
    return stamps.read(cells[heading], zone)


def _opens(times: stamps.Stamps, series: Series) -> pl.Series:
    """When each bar opens: a day of an exchange that is stamped midnight, of whatever zone, is the day as written."""
    days = not series.timeframe.intraday and series.instrument.exchange != ALWAYS_OPEN
    midnight = (times.wall == times.wall.dt.truncate("1d")).fill_null(False) & days
    return times.time.zip_with(~midnight, times.wall.cast(INSTANT)).alias("time")


def _numbers(file: table.Table, columns: dict[str, str]) -> tuple[pl.DataFrame, list[str]]:
    """The measures under our names, NULL where a cell is no number, and a word on those."""
    wanted = {ours: name for ours, name in columns.items() if ours != "time"}
    cells = file.cells.select(pl.col(name).alias(ours) for ours, name in wanted.items())
    if file.separator != "," and not _any(cells, "."):
        cells = cells.with_columns(pl.col(pl.String).str.replace(",", ".", literal=True))
    cells = cells.with_columns(pl.col(pl.String).str.strip_chars(" $"))
    numbers = cells.cast(pl.Float64, strict=False)
    lost = {ours: numbers[ours].null_count() - cells[ours].null_count() for ours in wanted}
    return numbers, [
        f"{count} cells of {wanted[ours]!r} are no numbers, such as {_stray(cells[ours], numbers[ours])!r}"
        for ours, count in lost.items()
        if count
    ]


def _any(cells: pl.DataFrame, mark: str) -> bool:
    found = cells.select(pl.col(pl.String).str.contains(mark, literal=True).any())
    return any(found.row(0)) if found.width else False


def _stray(cells: pl.Series, numbers: pl.Series) -> str:
    return str(cells.filter(numbers.is_null() & cells.is_not_null())[0])


def _volumes(rows: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    """`rows` with volume and turnover in their places, and the taker's other side where one is known.

    Turnover over volume is a price of the bar; where only its inverse is, the two columns have changed places.
    """
    notes = []
    if "quote_volume" in rows.columns:
        straight, inverse = _fits("quote_volume", "volume"), _fits("volume", "quote_volume")
        swap = (inverse & ~straight).fill_null(False)
        if count := rows.select(swap.sum()).item():
            notes.append(f"Volume and turnover stand in each other's column in {count} rows; put right by the price")
        rows = rows.with_columns(
            volume=pl.when(swap).then("quote_volume").otherwise("volume"),
            quote_volume=pl.when(swap).then("volume").otherwise("quote_volume"),
        )
    if "taker_buy_volume" in rows.columns and "taker_sell_volume" not in rows.columns:
        rows = rows.with_columns(taker_sell_volume=pl.col("volume") - pl.col("taker_buy_volume"))
    return rows, notes


def _fits(turnover: str, volume: str) -> pl.Expr:
    implied = pl.col(turnover) / pl.col(volume)
    return implied.is_between(pl.col("low") * (1 - IMPLIED), pl.col("high") * (1 + IMPLIED))


def _span(times: pl.Series, timeframe: Timeframe) -> Span:
    first, last = times.sort()[0], times.sort()[-1]
    return Span(first, last + timeframe.duration)


def _rejects(file: table.Table, rows: pl.DataFrame) -> pl.DataFrame:
    """The rows of which nobody can tell the time, or which cell is which."""
    timeless = file.cells.filter(rows["time"].is_null()).select(pl.struct(pl.all()).struct.json_encode())
    unread = decode.rejected("unreadable_time", timeless.to_series())
    return pl.concat([unread, decode.rejected("unreadable_row", file.broken["text"])])


def _order(times: pl.Series) -> str:
    """How the rows of a file are sorted, for people."""
    if times.is_sorted():
        return "oldest first"
    return "newest first" if times.is_sorted(descending=True) else "mixed"


def _same_timeframe(times: pl.Series, declared: Timeframe) -> None:
    """UnreadableFile where the rows are so far apart that they are bars of another timeframe.

    Some of those would stand on the grid all the same, and a minute would be kept as an hour.
    """
    gaps = times.unique().sort().diff().drop_nulls()
    if len(gaps) < FEWEST_GAPS:
        return
    divided = [frame for frame in Timeframe if _share(gaps, frame) >= NEARLY_ALL]
    found = max(divided, key=lambda frame: frame.minutes, default=declared)
    sparse = found.minutes > declared.minutes and len(gaps) < MANY_GAPS
    if found is not declared and not sparse:
        raise UnreadableFile(f"These are bars of {found}, not of {declared}; import them with --timeframe {found}")


def _share(gaps: pl.Series, timeframe: Timeframe) -> float:
    """How many of the gaps are whole multiples of a timeframe."""
    whole = gaps.dt.total_microseconds() % (timeframe.minutes * 60_000_000) == 0
    return int(whole.sum()) / len(gaps)


def _off_grid(bars: pl.DataFrame, timeframe: Timeframe, calendar: Calendar) -> list[str]:
    """A word on bars that stand where none is expected: another exchange perhaps, or another zone."""
    off = len(bars) - int(calendar.located(bars, timeframe)["on_grid"].sum())
    if off * 2 <= len(bars):
        return []
    return [f"{off} of {len(bars)} rows are off the grid of {timeframe} bars of {calendar.name}: is the zone right?"]
