"""`barhouse duplicates`: bars that share a slot, found, cleaned out, and brought back."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.console import Console

from barhouse.cli.commands import PLAIN
from barhouse.cli.options import Class, DataDir, configured, me
from barhouse.cli.tables import listing, shown
from barhouse.flow import cleanup
from barhouse.flow.warehouse import opened
from barhouse.model import instant

SHOWN = 50
"""Slots that are shown; the others are only counted."""

Symbol = Annotated[str | None, typer.Argument(metavar="[SYMBOL]", help="Left out: all of them.")]
Symbols = Annotated[list[str] | None, typer.Argument(metavar="[SYMBOL]…", help="Left out: all of them.")]
Timeframe = Annotated[str | None, typer.Option("--timeframe", "-t", help="Only 1m 5m 15m 30m 1h 4h 1d or 1w.")]

duplicates = typer.Typer(
    name="duplicates",
    no_args_is_help=True,
    help="Find bars that share a slot, clean them out, and undo that.\n\n"
    "Example: [bold]barhouse duplicates clean --dry-run[/]",
    **PLAIN,
)


@duplicates.command("clean")
def clean(
    symbols: Symbols = None,
    *,
    timeframe: Timeframe = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be done.")] = False,
    asset: Class = None,
    data_dir: DataDir = None,
) -> None:
    """Leave of each slot the best bar: the validated one, then that of the best quality, then the newest.

    What goes is kept whole; `barhouse duplicates undo` brings it back.

    Example: [bold]barhouse duplicates clean --dry-run[/]
    """
    console = Console()
    with opened(configured(data_dir)) as db:
        told = cleanup.cleanup_duplicate_records(db, symbols or None, timeframe, dry_run, asset, by=me())
    details = told["cleanup_details"]
    if not details:
        console.print("No slot holds two bars.")
        return
    table = listing("symbol", "timeframe", "slot", ">too many")
    for slot in details[:SHOWN]:
        table.add_row(slot["symbol"], slot["timeframe"], instant(slot["candle_time"]), str(slot["duplicates_removed"]))
    console.print(table)
    more = f" [dim]({len(details) - SHOWN:,} more than shown)[/]" if len(details) > SHOWN else ""
    many = sum(slot["duplicates_removed"] for slot in details)
    done = "would be removed" if dry_run else "removed; `barhouse duplicates list` shows them"
    console.print(f"{many:,} bars in {len(details):,} slots {done}{more}", highlight=False)


@duplicates.command("list")
def list_(
    symbol: Symbol = None,
    *,
    timeframe: Timeframe = None,
    last: Annotated[int, typer.Option("--last", "-n", min=1, max=1000, help="How many slots.")] = 20,
    asset: Class = None,
    data_dir: DataDir = None,
) -> None:
    """Show what was cleaned, the latest first; the number in front undoes it.

    Example: [bold]barhouse duplicates list AAPL[/]
    """
    with opened(configured(data_dir)) as db:
        rows = cleanup.cleanups(db, symbol, timeframe, asset, limit=last)
    console = Console()
    if not rows:
        console.print("Nothing was cleaned; `barhouse duplicates clean --dry-run` looks for bars that share a slot.")
        return
    table = listing(">id", "symbol", "class", "timeframe", "slot", ">removed", "stamped", "cleaned", "undone")
    for row in rows:
        table.add_row(*_cells(row))
    console.print(table)


def _cells(row: dict[str, Any]) -> list[str]:
    """What is shown of a cleaned slot."""
    stamps = ", ".join(record["time"].replace("+00:00", "Z") for record in row["removed_records"])
    cleaned, undone = (instant(row[name]) if row[name] else "-" for name in ("stamped_at", "restored_at"))
    names = [str(row["id"]), row["symbol"], row["asset_class"], row["timeframe"], instant(row["candle_time"])]
    return [*names, str(row["duplicate_count"]), stamps, cleaned, undone]


@duplicates.command("undo")
def undo(
    number: Annotated[int, typer.Argument(metavar="ID", help="As `barhouse duplicates list` shows it.")],
    *,
    data_dir: DataDir = None,
) -> None:
    """Bring back the bars that were taken out of a slot, and the one that stayed back to where it stood.

    Example: [bold]barhouse duplicates undo 17[/]
    """
    with opened(configured(data_dir)) as db:
        told = cleanup.undo_cleanup(db, number, by=me())
    series = f"{shown(told['symbol'])} {told['timeframe']}"
    back, where = told["records_restored"], f"{series} at {instant(told['candle_time'])}"
    Console().print(f"{back} {'bar is' if back == 1 else 'bars are'} back in the slot of {where}", highlight=False)
