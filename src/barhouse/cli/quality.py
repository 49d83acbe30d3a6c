"""`barhouse quality`: how good the data are, what is wrong with them and why, and what to do next."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text
from typer.core import TyperGroup

from barhouse.cli import plotting
from barhouse.cli.advice import advice, reason, there
from barhouse.cli.options import Class, DataDir, asset_class, configured, me
from barhouse.cli.tables import listing, shown
from barhouse.flow.choosing import chosen
from barhouse.flow.cleanup import undo_cleanup
from barhouse.flow.instruments import find
from barhouse.flow.quality import acknowledge_anomaly, listed_anomalies, quality_overview
from barhouse.flow.sweep import sweep
from barhouse.flow.warehouse import opened
from barhouse.model import Instrument, Timeframe
from barhouse.store.anomalies import Wanted
from barhouse.store.postgres import Database

SHOWN = 25
"""Anomalies that are shown; the others are only counted."""

COLOURS = {"low": "dim", "medium": "yellow", "high": "red", "critical": "bold red"}

Row = Mapping[str, Any]


class Shortened(TyperGroup):
    """Verbs of which the first one may be left out."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """`quality AAPL` is `quality show AAPL`."""
        verb = args[0] if args else ""
        return super().parse_args(ctx, args if verb in (*self.commands, "--help") else ["show", *args])


quality = typer.Typer(
    name="quality",
    cls=Shortened,
    rich_markup_mode="rich",
    add_completion=False,
    help="Show how good the data are, what is wrong with them and why.\n\nExample: [bold]barhouse quality AAPL[/]",
)


@quality.command()
def show(
    symbol: Annotated[str | None, typer.Argument(metavar="[SYMBOL]", help="Left out: all, a line each.")] = None,
    *,
    timeframe: Annotated[str | None, typer.Option("--timeframe", "-t", help="Judge only these bars.")] = None,
    days: Annotated[int | None, typer.Option(min=1, help="So many days up to today; left out: all.")] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Draw price, gaps, outliers and corrections too: a .png or .svg.")
    ] = None,
    asset: Class = None,
    data_dir: DataDir = None,
) -> None:
    """Judge the stored bars: score, validation, gaps by reason, outliers by cause, duplicates, what is overdue.

    Example: [bold]barhouse quality AAPL --plot aapl.png[/]
    """
    console, kind = Console(), asset_class(asset)
    only = None if timeframe is None else Timeframe.of(timeframe)
    since = None if days is None else (datetime.now(UTC) - timedelta(days=days - 1)).date()
    if plot is not None:
        plotting.drawable(plot, symbol)
    with opened(configured(data_dir)) as db:
        instrument = None if symbol is None else find(db, symbol, kind)
        sweep(db, chosen(db, symbol, timeframe, kind), timeframe=only)
        if instrument is None:
            _say_all(console, quality_overview(db, since=since), there(data_dir))
        else:
            found = _say(console, db, instrument, only, since)
            _advise(console, advice(instrument, found, data_dir))
        if plot is not None and instrument is not None:
            drawn = plotting.plot(db, instrument, only, plot, since=since)
            console.print(f"{drawn} is drawn in [bold]{plot}[/]", highlight=False)


def _say_all(console: Console, rows: Sequence[Row], where: str) -> None:
    """A line an instrument."""
    if not rows:
        begin = f"barhouse track AAPL MSFT SPY{where} && barhouse backfill{where}"
        console.print(f"Nothing is stored yet: [bold]{begin}[/]", highlight=False, soft_wrap=True)
        return
    table = listing("symbol", "class", ">score", ">validated", ">complete", ">gaps", ">outliers", ">doubles", "overdue")
    for row in rows:
        counts = (_count(row[name]) for name in ("gaps", "outliers", "duplicates"))
        late = Text("yes", "yellow") if row["stale"] else Text("no", "dim")
        table.add_row(row["symbol"], row["asset_class"], *_figures(row), *counts, late)
    console.print(table)
    more = f"[bold]barhouse quality SYMBOL{where}[/]"
    console.print(f"\nWhat is behind the figures: {more}", style="dim", highlight=False, soft_wrap=True)


def _figures(row: Row) -> tuple[str, str, str]:
    """The score, the share that is valid, the share that is there; a dash for what nobody can tell."""
    score = "-" if row["score"] is None else f"{row['score']:.4f}"
    # Never rounded up: 100 % are all of them
    rate = f"{row['validated'] * 10_000 // row['records'] / 100:.2f}%" if row["records"] else "-"
    return score, rate, "-" if row["completeness"] is None else f"{row['completeness']:.2%}"


def _count(number: int) -> Text:
    return Text(f"{number:,}", "yellow" if number else "dim")


def _say(
    console: Console, db: Database, instrument: Instrument, only: Timeframe | None, since: date | None
) -> list[Row]:
    """Tell all there is to know of one instrument; what is wrong with it."""
    [row] = quality_overview(db, instrument, since)
    names = (instrument.symbol, instrument.asset_class)
    found = listed_anomalies(db, Wanted(*names, timeframe=only, faults=True, since=since), 10_000)
    score, rate, complete = _figures(row)
    where = f"{instrument.asset_class}, {shown(instrument.exchange)}"
    console.print(f"[bold]{shown(instrument.symbol)}[/] [dim]{where}[/]")
    console.print(
        f"score {score}   validated {rate} of {row['records'] or 0:,} records   complete {complete}"
        f"   over {row['days']:,} days",
        highlight=False,
    )
    if unvalid := (row["records"] or 0) - (row["validated"] or 0):
        console.print(shown(_unvalid(instrument, unvalid)), style="dim", highlight=False, soft_wrap=True)
    if not found:
        console.print("[green]Nothing is wrong[/] with the stored bars, as far as anybody can tell.")
        return []
    console.print(f"\n{_summary(found)}\n", highlight=False)
    console.print(_table(found[:SHOWN]))
    if len(found) > SHOWN:
        console.print(f"and {len(found) - SHOWN:,} more: GET /api/v1/data/anomalies has them all", style="dim")
    return [*found]


def _unvalid(instrument: Instrument, count: int) -> str:
    """How many records are not validated, and how to see which."""
    held = f"`barhouse quarantine list {shlex.quote(instrument.symbol)} --class {instrument.asset_class}`"
    return f"{count:,} not validated: {held}, and the rows of the view market_data that are `NOT validated`"


def _advise(console: Console, lines: Iterable[str]) -> None:
    """Commands to be pasted, if there is anything to do."""
    for number, line in enumerate(lines):
        if number == 0:
            console.print("\nWhat to do next:", style="dim")
        console.print(f"  {shown(line)}", highlight=False, soft_wrap=True)


def _summary(found: Sequence[Row]) -> str:
    """How much there is of each kind, and of each reason or verdict in it."""
    kinds: dict[str, dict[str, int]] = {}
    for row in found:
        why = reason(row)
        reasons = kinds.setdefault(row["anomaly_type"], {})
        reasons[why] = reasons.get(why, 0) + 1
    return "   ".join(_kind(name, reasons) for name, reasons in kinds.items())


def _kind(name: str, reasons: Mapping[str, int]) -> str:
    parts = ", ".join(f"{count:,} {why}" for why, count in reasons.items() if why)
    return f"[bold]{name}[/] {sum(reasons.values()):,}" + (f" [dim]({parts})[/]" if parts else "")


def _table(found: Sequence[Row]) -> Table:
    table = listing(">id", "when", "bars", "what", "severity", "status")
    for row in found:
        when = "-" if row["data_point_time"] is None else f"{row['data_point_time']:%Y-%m-%d %H:%M}"
        seen = f"seen by {row['acknowledged_by']}" if row["acknowledged_by"] else row["resolution_status"]
        severity = Text(row["severity"], COLOURS[row["severity"]])
        what = Text(row["description"] or row["anomaly_type"])
        table.add_row(str(row["id"]), when, row["timeframe"], what, severity, seen)
    return table


@quality.command()
def acknowledge(
    number: Annotated[int, typer.Argument(metavar="ID", help="As `barhouse quality SYMBOL` shows it.")],
    *,
    author: Annotated[str, typer.Option(help="Who has seen it.")],
    data_dir: DataDir = None,
) -> None:
    """Note that somebody has seen an anomaly; it is resolved by itself when its cause is gone.

    Example: [bold]barhouse quality acknowledge 17 --author ann[/]
    """
    with opened(configured(data_dir)) as db:
        row = acknowledge_anomaly(db, number, author)
    seen = f"seen by {row['acknowledged_by']}" if row["acknowledged_by"] else row["resolution_status"]
    told = f"{row['symbol']} {row['timeframe']}: {row['description']}: {seen}"
    Console().print(shown(told), highlight=False)


@quality.command()
def undo(
    number: Annotated[int, typer.Argument(metavar="ID", help="The number of the cleanup.")], *, data_dir: DataDir = None
) -> None:
    """Bring the bars back that a cleanup of duplicates took out.

    Example: [bold]barhouse quality undo 3[/]
    """
    with opened(configured(data_dir)) as db:
        back = undo_cleanup(db, number, by=me())
    told = f"{back['symbol']} {back['timeframe']} {back['candle_time']}: {back['records_restored']} bars are back"
    Console().print(shown(told), highlight=False)
