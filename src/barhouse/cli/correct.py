"""`barhouse correct`: a stored bar mended by hand, with its reason and its author."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.console import Console

from barhouse.cli.options import Class, DataDir, OneTimeframe, Symbol, configured
from barhouse.cli.tables import exact, listing, shown
from barhouse.errors import InvalidParameter
from barhouse.flow.correct import SHOWN, Corrected, correct
from barhouse.flow.warehouse import opened
from barhouse.model import instant

Time = Annotated[str, typer.Argument(metavar="TIME", help="When the bar starts, UTC: 2024-01-31 or 2024-01-31T14:30Z.")]
Values = Annotated[list[str], typer.Argument(metavar="FIELD=VALUE…", help="close=411.32 volume=10793600; vwap=none.")]
Reason = Annotated[str, typer.Option("--reason", help="Why, in your own words.")]
Author = Annotated[str, typer.Option("--author", help="Who says so.")]
BugFix = Annotated[bool, typer.Option("--bug-fix", help="It mends an error of ours, not of the source.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show the bar before and after.")]


def correct_(
    symbol: Symbol,
    time: Time,
    values: Values,
    *,
    reason: Reason,
    author: Author,
    timeframe: OneTimeframe = "1d",
    asset: Class = None,
    bug_fix: BugFix = False,
    dry_run: DryRun = False,
    data_dir: DataDir = None,
) -> None:
    """Correct fields of a stored bar; what was there stays on record.

    The bar is judged anew, and the features of all bars that depend on it follow. Its source is not heard on these
    fields any more, unless it tells another value than the one that was corrected.

    Example: [bold]barhouse correct AAPL 2012-01-03 close=411.32 --reason "digits swapped" --author ada[/]
    """
    with opened(configured(data_dir)) as db:
        told = correct(
            db,
            symbol,
            time,
            _parsed(values),
            reason=reason,
            author=author,
            timeframe=timeframe,
            asset_class=asset,
            bug_fix=bug_fix,
            dry_run=dry_run,
        )
    _show(told, Console(), dry_run=dry_run)


def _parsed(words: Sequence[str]) -> dict[str, float | None]:
    return dict(map(_pair, words))


def _pair(word: str) -> tuple[str, float | None]:
    """A field and its value; InvalidParameter (422) for a word of another form."""
    field, _, value = word.partition("=")
    try:
        return field, None if value.lower() == "none" else float(value)
    except ValueError:
        raise InvalidParameter(f"{word!r} is no correction: write close=411.32, or vwap=none for unknown") from None


def _show(told: Corrected, console: Console, *, dry_run: bool) -> None:
    names = [name for name in SHOWN if told.before[name] != told.after[name]]
    where = f"{shown(str(told.series))} at {instant(told.time)}"
    if not told.changed:
        console.print(f"{where} says so already; nothing was changed", highlight=False)
        return
    table = listing("field", ">before", ">after")
    for name in names:
        table.add_row(name, _cell(told.before[name]), _cell(told.after[name]))
    console.print(table)
    end = "a dry run: nothing was changed" if dry_run else "corrected; `barhouse diff` and `as_of` show what was there"
    console.print(f"{where}: {end}", highlight=False)


def _cell(value: Any) -> str:
    match value:
        case None:
            return "-"
        case float():
            return exact(value)
        case _:
            return str(value)
