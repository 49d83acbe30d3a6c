"""`barhouse import`: bars from files that people have."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from barhouse.cli.judged import judged
from barhouse.cli.options import Class, DataDir, Exchange, OneTimeframe, asset_class, configured
from barhouse.cli.tables import shown
from barhouse.flow.causes import EVERYTHING, Look
from barhouse.flow.choosing import chosen
from barhouse.flow.imports import Imported, take, take_actions
from barhouse.flow.track import named
from barhouse.flow.warehouse import opened
from barhouse.model import Series, Timeframe, instant

SHOWN = 5
"""Quarantined rows that are shown; the others are only counted."""


def import_(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="CSV (also .gz) or Parquet.")],
    *,
    symbol: Annotated[str, typer.Option("--symbol", "-s", help="Whose bars these are.")],
    timeframe: OneTimeframe = "1d",
    asset: Class = None,
    exchange: Exchange = None,
    zone: Annotated[str, typer.Option(help="The zone of times that name none.")] = "UTC",
    actions: Annotated[bool, typer.Option("--actions", help="The files hold splits or dividends, not bars.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Take bars from files; says what was taken, what was quarantined and why.

    Columns and times are recognised: ms, µs, s, ISO, dates; newest first or mixed.

    Example: [bold]barhouse import spy.csv --symbol SPY --timeframe 1h --class etf[/]
    """
    console = Console()
    with opened(configured(data_dir)) as db:
        series = Series(named(db, symbol, asset_class(asset), exchange), Timeframe.of(timeframe))
        for path in files:
            if actions:
                learnt = take_actions(db, path, series)
                console.print(
                    f"[bold]{shown(path.name)}[/]: {learnt} splits and dividends of {series.instrument.symbol}"
                )
            else:
                _say(console, path, take(db, path, series, zone=zone, now=datetime.now(UTC)))
        known = chosen(db, series.instrument.symbol, None, series.instrument.asset_class)
        verdict = judged(db, known, EVERYTHING - {Look.STALENESS}, data_dir=data_dir)
        console.print(verdict, highlight=False, soft_wrap=True)


def _say(console: Console, path: Path, imported: Imported) -> None:
    """What became of a file, briefly."""
    fetch, report = imported.fetch, imported.report
    taken = f"{fetch.inserted:,} new, {fetch.updated:,} restated, {fetch.unchanged:,} known"
    console.print(f"[bold]{shown(path.name)}[/]: {report.rows:,} rows, {taken}", highlight=False)
    columns = ", ".join(f"{ours} ← {theirs}" if ours != theirs else ours for ours, theirs in report.columns.items())
    console.print(f"  columns: {columns}", style="dim", highlight=False, markup=False)
    console.print(f"  times: {report.time_format}, {report.order}", style="dim", highlight=False, markup=False)
    for note in report.notes:
        console.print(f"  note: {note}", style="yellow", highlight=False, markup=False)
    if fetch.quarantined:
        _say_rejected(console, imported)


def _say_rejected(console: Console, imported: Imported) -> None:
    """What was no bar, and why."""
    count, new = imported.fetch.quarantined, imported.quarantined
    known = f", {count - len(new):,} of them known" if len(new) < count else ""
    console.print(f"  [red]{count:,} quarantined[/]{known}", highlight=False)
    for row in new[:SHOWN]:
        when = instant(row["time"]) if row["time"] else "no time"
        line = f"    {when}  {row['reason']}  {row['payload']}"
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    if len(new) > SHOWN:
        console.print(f"    and {len(new) - SHOWN:,} more", style="dim")
