"""`barhouse bars`: the newest bars of a symbol, to look at."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

import polars as pl
import typer
from rich.console import Console
from rich.table import Table

from barhouse.cli.options import Class, DataDir, Features, OneTimeframe, Symbol, configured
from barhouse.cli.selecting import selected
from barhouse.flow.warehouse import opened
from barhouse.model import Timeframe
from barhouse.store.reading import Selection, newest

SHOWN = ("open", "high", "low", "close", "volume", "vwap", "source", "quality_score", "flags")
NAME_WIDTH, BAR_WIDTH = 20, 13


def bars(
    symbol: Symbol,
    *,
    timeframe: OneTimeframe = "1d",
    last: Annotated[int, typer.Option("--last", "-n", min=1, max=10_000, help="How many.")] = 10,
    features: Features = False,
    asset: Class = None,
    data_dir: DataDir = None,
) -> None:
    """Show the newest bars of a symbol.

    Example: [bold]barhouse bars AAPL --last 20 --features[/]
    """
    with opened(configured(data_dir)) as db:
        wanted = selected(db, symbol, timeframe, asset, with_features=features)
        found = newest(db, wanted, last)
    console = Console()
    if not features:
        console.print(_lines(found, wanted))
        return
    for part in _blocks(found, console.width):
        console.print(_columns(part, wanted))


def _lines(found: pl.DataFrame, wanted: Selection) -> Table:
    """A line a bar."""
    names = [name for name in SHOWN if found[name].null_count() < found.height]
    table = Table("time", *names, box=None, header_style="dim", title=_title(wanted), title_justify="left")
    for column, name in zip(table.columns[1:], names, strict=True):
        column.justify = "right" if found[name].dtype.is_numeric() else "left"
    for row in found.iter_rows(named=True):
        table.add_row(_stamp(row["time"], wanted), *(_cell(row[name]) for name in names))
    return table


def _blocks(found: pl.DataFrame, width: int) -> Iterator[pl.DataFrame]:
    """As many bars as fit beside each other, and again."""
    return found.iter_slices(max(1, (width - NAME_WIDTH) // BAR_WIDTH))


def _columns(found: pl.DataFrame, wanted: Selection) -> Table:
    """A column a bar: with features there are more of them than a line holds."""
    stamps = [_stamp(moment, wanted) for moment in found["time"]]
    table = Table("", *stamps, box=None, header_style="dim", title=_title(wanted), title_justify="left")
    for column in table.columns[1:]:
        column.justify = "right"
    for name in [*SHOWN, *wanted.derived]:
        if found[name].null_count() < found.height or name in wanted.derived:
            table.add_row(name, *(_cell(value) for value in found[name]), style="" if name in SHOWN else "cyan")
    return table


def _title(wanted: Selection) -> str:
    return f"[bold]{wanted.series}[/] [dim]{wanted.series.instrument.asset_class}, times in UTC[/]"


def _stamp(moment: datetime, wanted: Selection) -> str:
    daily = wanted.series.timeframe in (Timeframe.D1, Timeframe.W1)
    return f"{moment:%Y-%m-%d}" if daily else f"{moment:%m-%d %H:%M}"


def _cell(value: object) -> str:
    """A value as people read it."""
    match value:
        case None:
            return "-"
        case float() if abs(value) >= 1_000_000:
            return f"{value:,.0f}"
        case float():
            return f"{value:,.6g}"
        case _:
            return str(value)
