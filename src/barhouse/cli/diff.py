"""`barhouse diff`: what a series says otherwise now than it did at an instant."""

from __future__ import annotations

from typing import Annotated

import polars as pl
import typer
from rich.console import Console

from barhouse.cli.options import Class, DataDir, OneTimeframe, Symbol, configured
from barhouse.cli.selecting import stored
from barhouse.cli.tables import exact, listing, shown
from barhouse.flow.rewritten import diff
from barhouse.flow.warehouse import opened
from barhouse.model import instant, moment

Since = Annotated[str, typer.Option("--since", help="An instant, UTC: 2024-01-31 or 2024-01-31T14:30Z.")]
Most = Annotated[int, typer.Option("--limit", "-n", min=1, help="Lines shown of each kind.")]


def diff_(
    symbol: Symbol,
    *,
    since: Since,
    timeframe: OneTimeframe = "1d",
    limit: Most = 50,
    asset: Class = None,
    data_dir: DataDir = None,
) -> None:
    """Show what was rewritten in the bars of a symbol since an instant.

    A line a field that says something else now, then the bars that came back, left, or were stored since.

    Example: [bold]barhouse diff AAPL --since 2024-01-31T14:30Z[/]
    """
    then = moment(since)
    with opened(configured(data_dir)) as db:
        series = stored(db, symbol, timeframe, asset)
        found = diff(db, series, then)
    console = Console()
    console.print(f"[bold]{shown(str(series))}[/] [dim]since {instant(then)}[/]", highlight=False)
    _changes(console, found.changes, limit)
    _moved(console, found.restored, "restored", "came_by", limit)
    _moved(console, found.removed, "removed", "gone_by", limit)
    _stored(console, found.stored)
    if all(each.is_empty() for each in (found.changes, found.restored, found.removed, found.stored)):
        console.print("Nothing was rewritten")


def _changes(console: Console, changes: pl.DataFrame, limit: int) -> None:
    if changes.is_empty():
        return
    table = listing("time", "field", ">old", ">new", "by", "note")
    for time, field, old, new, by, note in changes.head(limit).iter_rows():
        table.add_row(instant(time), field, _value(old), _value(new), by or "-", note or "")
    console.print(table)
    _more(console, changes.height - limit)


def _moved(console: Console, bars: pl.DataFrame, what: str, cause: str, limit: int) -> None:
    if bars.is_empty():
        return
    table = listing(what, "because", ">close")
    for time, why, close in bars.head(limit).select("time", cause, "close").iter_rows():
        table.add_row(instant(time), why or "-", "-" if close is None else exact(close))
    console.print(table)
    _more(console, bars.height - limit)


def _stored(console: Console, bars: pl.DataFrame) -> None:
    """How many bars are new, and in which stretch."""
    if bars.height:
        first, last = bars["time"][0], bars["time"][-1]
        console.print(f"stored since: {bars.height:,}, {instant(first)} to {instant(last)}", highlight=False)


def _more(console: Console, left: int) -> None:
    if left > 0:
        console.print(f"and {left:,} more; --limit shows them", style="dim", highlight=False)


def _value(text: str | None) -> str:
    """A number as people read it, a name as it is."""
    if text is None:
        return "-"
    try:
        return exact(float(text))
    except ValueError:
        return text
