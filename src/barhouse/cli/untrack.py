"""`barhouse untrack`: which series are not kept up to date any more."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from barhouse.cli.options import Class, DataDir, Symbols, asset_class, configured, me
from barhouse.flow import instruments, management
from barhouse.flow.warehouse import opened
from barhouse.model import Timeframe


def untrack(
    symbols: Symbols,
    *,
    timeframes: Annotated[
        list[str] | None,
        typer.Option("--timeframe", "-t", help="Only these; may be repeated. Left out: the symbol as a whole."),
    ] = None,
    asset: Class = None,
    data_dir: DataDir = None,
) -> None:
    """Fetch nothing of symbols any more; their bars stay.

    `barhouse track` brings them back.

    Example: [bold]barhouse untrack MSFT[/] or [bold]barhouse untrack AAPL --timeframe 1m[/]
    """
    dropped = Timeframe.several(timeframes or [])
    with opened(configured(data_dir)) as db:
        wanted = instruments.find_all(db, symbols, asset_class(asset))
        if dropped:
            management.drop(db, wanted, dropped, by=me())
        else:
            management.put_away(db, wanted, by=me())
    what = f" in {', '.join(dropped)}" if dropped else ""
    names = ", ".join(map(str, wanted))
    Console().print(f"Not kept up to date any more{what}: [bold]{names}[/]; their bars stay", highlight=False)
