"""`barhouse prune`: logs that are old enough go."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console

from barhouse.cli.options import DataDir, configured
from barhouse.cli.tables import listing
from barhouse.flow import retention
from barhouse.flow.warehouse import opened


def prune(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Take out of the logs what is older than retention_days.

    Bars, and all that was known of them, stay. [bold]barhouse up[/] does so every day by itself.

    Example: [bold]barhouse prune --dry-run[/]
    """
    console, settings = Console(), configured(data_dir)
    with opened(settings) as db:
        found = retention.prune(db, settings, datetime.now(UTC), dry_run=dry_run)
    if not any(found.values()):
        console.print("No log is older than it may be.")
        return
    table = listing("log", ">rows that would go" if dry_run else ">rows that went")
    for name, rows in found.items():
        if rows:
            table.add_row(name, f"{rows:,}")
    console.print(table)
