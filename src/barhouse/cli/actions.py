"""`barhouse actions`: splits and dividends, who tells them, and which of them count."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from barhouse.cli.options import AsOf, Class, DataDir, Symbol, asset_class, configured
from barhouse.cli.tables import listing, number, shown
from barhouse.flow.actions import corporate_actions
from barhouse.flow.warehouse import opened
from barhouse.model import moment

REASONS = {
    "prices": "prices say so",
    "order": "order of the sources",
    "agreement": "sources agree",
    "only_telling": "nobody tells otherwise",
}


def actions(symbol: Symbol, *, asset: Class = None, as_of: AsOf = None, data_dir: DataDir = None) -> None:
    """Show the splits and dividends of a symbol, who tells them, and which count.

    Where sources differ the prices around the day decide, then the order of the sources, imported files first.

    Example: [bold]barhouse actions AAPL[/]
    """
    with opened(configured(data_dir)) as db:
        instrument, rows = corporate_actions(db, symbol, asset_class(asset), moment(as_of) if as_of else None)
    console = Console()
    if not rows:
        console.print(f"Nobody has told a split or a dividend of {shown(str(instrument))} yet", highlight=False)
        return
    table = listing("day", "what", "source", "learnt", "counts", "because")
    for row in rows:
        counts = "yes" if row["standing"] == "accepted" else Text("no", "red")
        learnt = f"{row['learnt_at']:%Y-%m-%d %H:%M}"
        table.add_row(str(row["effective"]), _told(row), row["source"], learnt, counts, REASONS[row["evidence"]["by"]])
    console.print(table)


def _told(row: Mapping[str, Any]) -> str:
    if row["kind"] == "split":
        return f"{row['ratio']:g}:1 split"
    return f"{number(row['amount'])} {row['currency'] or ''} dividend".replace("  ", " ")
