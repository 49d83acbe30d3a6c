"""`barhouse bars`: the newest bars of a symbol, to look at."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

import polars as pl
import typer
from rich.console import Console
from rich.table import Table

from barhouse.cli.options import (
    Adjusting,
    AsOf,
    Class,
    DataDir,
    Features,
    OneTimeframe,
    ResampleFrom,
    Symbol,
    configured,
)
from barhouse.cli.selecting import selected
from barhouse.cli.tables import listing, number, shown
from barhouse.flow.reads import newest
from barhouse.flow.warehouse import opened
from barhouse.model import Adjust, Timeframe, instant
from barhouse.store.reading import Selection

SHOWN = ("open", "high", "low", "close", "volume", "vwap", "source", "quality_score", "flags")
ADJUSTED = {Adjust.SPLITS: "splits", Adjust.ALL: "splits and dividends"}
NAME_WIDTH, BAR_WIDTH = 20, 14


def bars(
    symbol: Symbol,
    *,
    timeframe: OneTimeframe = "1d",
    last: Annotated[int, typer.Option("--last", "-n", min=1, max=10_000, help="How many.")] = 10,
    features: Features = False,
    adjust: Adjusting = Adjust.NONE,
    as_of: AsOf = None,
    resample_from: ResampleFrom = None,
    asset: Class = None,
    data_dir: DataDir = None,
) -> None:
    """Show the newest bars of a symbol.

    Example: [bold]barhouse bars AAPL --last 20 --features[/]
    """
    with opened(configured(data_dir)) as db:
        wanted = selected(
            db,
            symbol,
            timeframe,
            asset,
            with_features=features,
            adjust=adjust,
            as_of=as_of,
            resample_from=resample_from,
        )
        found = newest(db, wanted, last)
    console = Console()
    console.print(_title(wanted))
    if not features:
        console.print(_lines(found, wanted))
        return
    for part in _blocks(found, console.width):
        console.print(_columns(part, wanted))


def _lines(found: pl.DataFrame, wanted: Selection) -> Table:
    """A line a bar."""
    names = [name for name in SHOWN if found[name].null_count() < found.height]
    table = listing("time", *(f">{name}" if found[name].dtype.is_numeric() else name for name in names))
    for row in found.iter_rows(named=True):
        table.add_row(_stamp(row["time"], wanted), *(_cell(name, row[name]) for name in names))
    return table


def _blocks(found: pl.DataFrame, width: int) -> Iterator[pl.DataFrame]:
    """As many bars as fit beside each other, and again."""
    return found.iter_slices(max(1, (width - NAME_WIDTH) // BAR_WIDTH))


def _columns(found: pl.DataFrame, wanted: Selection) -> Table:
    """A column a bar: with features there are more of them than a line holds."""
    table = listing("", *(f">{_stamp(moment, wanted)}" for moment in found["time"]))
    for name in [*SHOWN, *wanted.derived]:
        if found[name].null_count() < found.height or name in wanted.derived:
            cells = (_cell(name, value) for value in found[name])
            table.add_row(name, *cells, style="cyan" if name in wanted.derived else "")
    return table


def _title(wanted: Selection) -> str:
    adjusted = "" if wanted.adjust is Adjust.NONE else f", adjusted for {ADJUSTED[wanted.adjust]}"
    then = f", as known at {instant(wanted.as_of)}" if wanted.as_of else ""
    kind = wanted.series.instrument.asset_class
    built = f", built from {wanted.finer} bars" if wanted.finer else ""
    return f"[bold]{shown(str(wanted.series))}[/] [dim]{kind}, times in UTC{adjusted}{then}{built}[/]"


def _stamp(moment: datetime, wanted: Selection) -> str:
    daily = wanted.series.timeframe in (Timeframe.D1, Timeframe.W1)
    return f"{moment:%Y-%m-%d}" if daily else f"{moment:%Y-%m-%d %H:%M}"


def _cell(name: str, value: object) -> str:
    match value:
        case None:
            return "-"
        case float():
            return number(value, whole=name == "volume")
        case _:
            return str(value)
