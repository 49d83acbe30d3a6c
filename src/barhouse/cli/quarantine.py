"""`barhouse quarantine`: rows that are no bars, looked at, judged again, released or rejected by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from barhouse.cli.commands import PLAIN
from barhouse.cli.correct import Author, Reason
from barhouse.cli.duplicates import Symbol, Symbols, Timeframe
from barhouse.cli.options import Class, DataDir, configured
from barhouse.cli.tables import listing
from barhouse.errors import InvalidParameter
from barhouse.flow.quarantine import listed_quarantine, reject, rejudge, release
from barhouse.flow.warehouse import opened
from barhouse.model import instant
from barhouse.store.quarantine import Status

SHOWN = 50
"""Rows that are shown of those that were judged again; the others are only counted."""

Numbers = Annotated[list[int], typer.Argument(metavar="ID…", help="As `barhouse quarantine list` shows them.")]

quarantine = typer.Typer(
    name="quarantine",
    no_args_is_help=True,
    help="Look at rows that are no bars, judge them again, decide by hand.\n\n"
    "Example: [bold]barhouse quarantine list[/]",
    **PLAIN,
)


@quarantine.command("list")
def list_(
    symbol: Symbol = None,
    *,
    timeframe: Timeframe = None,
    reason: Annotated[str | None, typer.Option(help="Only rows that failed this check.")] = None,
    status: Annotated[Status | None, typer.Option(help="Only rows that stand so.")] = None,
    last: Annotated[int, typer.Option("--last", "-n", min=1, max=1000, help="How many.")] = 20,
    asset: Class = None,
    data_dir: DataDir = None,
) -> None:
    """Show the latest rows that are no bars: why, what really came, and in which fetch.

    Example: [bold]barhouse quarantine list AAPL --reason high_too_low[/]
    """
    with opened(configured(data_dir)) as db:
        rows = listed_quarantine(db, symbol, timeframe, asset, reason=reason, status=status, limit=last)
    console = Console()
    if not rows:
        console.print("No such row is in quarantine.")
        return
    table = listing(">id", "symbol", "timeframe", "time", "source", ">fetch", "status", "reason", "what came")
    for row in rows:
        names = (row["symbol"], row["timeframe"], _when(row["time"]), row["source"] or "-", str(row["fetch_id"] or "-"))
        table.add_row(str(row["id"]), *names, row["status"], row["reason"], Text(row["payload"] or "-"))
    console.print(table, soft_wrap=True)


@quarantine.command("rejudge")
def rejudge_(
    symbols: Symbols = None,
    *,
    timeframe: Timeframe = None,
    ids: Annotated[list[int] | None, typer.Option("--id", help="Only this row; may be repeated.")] = None,
    asset: Class = None,
    data_dir: DataDir = None,
) -> None:
    """Run the checks of today over rows of which nobody has decided; what passes, in an empty slot, is a bar now.

    Example: [bold]barhouse quarantine rejudge AAPL[/]
    """
    if symbols and ids:
        raise InvalidParameter("Name symbols or rows, not both")
    with opened(configured(data_dir)) as db:
        told = rejudge(db, symbols or None, timeframe, asset, ids=ids or None)
    console = Console()
    if told["rows"]:
        console.print(_judged(told["rows"][:SHOWN]))
    console.print(f"{told['judged']:,} rows judged again, {told['released']:,} of them are bars now", highlight=False)


@quarantine.command("release")
def release_(
    ids: Numbers,
    *,
    reason: Reason,
    author: Author,
    replace: Annotated[bool, typer.Option("--replace", help="Correct a bar that is stored in the slot.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Make bars of rows by hand though a check failed; each needs five numbers and a slot.

    Example: [bold]barhouse quarantine release 17 --reason "confirmed by the exchange" --author ada[/]
    """
    with opened(configured(data_dir)) as db:
        told = release(db, ids, reason=reason, author=author, replace=replace)
    console = Console()
    console.print(_judged(told["rows"]))
    console.print(f"{told['released']:,} released", highlight=False)


@quarantine.command("reject")
def reject_(ids: Numbers, *, reason: Reason, author: Author, data_dir: DataDir = None) -> None:
    """Say for good that rows are no bars.

    Example: [bold]barhouse quarantine reject 17 18 --reason misprint --author ada[/]
    """
    with opened(configured(data_dir)) as db:
        told = reject(db, ids, reason=reason, author=author)
    Console().print(f"{told['rejected']:,} rejected", highlight=False)


def _judged(rows: Sequence[Mapping[str, Any]]) -> Table:
    """A line a row that was decided over."""
    table = listing(">id", "symbol", "timeframe", "time", "is", "reason")
    for row in rows:
        names = (str(row["id"]), row["symbol"], row["timeframe"], _when(row["time"]))
        table.add_row(*names, "a bar now" if row["released"] else "no bar", row["reason"] or "-")
    return table


def _when(moment: Any) -> str:
    return instant(moment) if moment else "-"
