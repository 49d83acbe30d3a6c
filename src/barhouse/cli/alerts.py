"""`barhouse alerts`: of what people were told, and whether they can be reached."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from barhouse.alerts import channels
from barhouse.cli.commands import PLAIN
from barhouse.cli.options import DataDir, configured
from barhouse.cli.tables import listing
from barhouse.config import settings
from barhouse.errors import SettingsError
from barhouse.flow.alerting import tried
from barhouse.flow.warehouse import opened
from barhouse.store import incidents

COLOURS = {"open": "bold red", "delivered": "yellow", "over": "dim"}

alerts = typer.Typer(
    **PLAIN,
    help="Show what people were told, and try whether they can be reached.\n\nExample: [bold]barhouse alerts list[/]",
)


@alerts.command("list")
def list_(
    *,
    limit: Annotated[int, typer.Option(min=1, max=500, help="So many of the latest.")] = 20,
    data_dir: DataDir = None,
) -> None:
    """Show the latest incidents: since when, what, and whether somebody was told.

    Example: [bold]barhouse alerts list[/]
    """
    console = Console()
    with opened(configured(data_dir)) as db:
        found = incidents.listed_incidents(db, limit=limit)
    if not found:
        console.print("There never was an alert.")
        return
    table = listing("since", "status", "severity", "rule", "what")
    for row in found:
        since, status = f"{row['opened_at']:%Y-%m-%d %H:%M}", Text(row["status"], COLOURS[row["status"]])
        table.add_row(since, status, row["severity"], row["rule"], Text(row["message"]))
    console.print(table)


@alerts.command()
def test() -> None:
    """Send a test message to everybody whom BARHOUSE_ALERT_URLS names; exit code 1 if somebody did not get it.

    Example: [bold]barhouse alerts test[/]
    """
    console, known = Console(), settings()
    told = channels(known.alert_urls, known.alert_secret, private_networks=known.alert_private_networks)
    if not told:
        raise SettingsError("Nobody is named to be told: set BARHOUSE_ALERT_URLS")
    answers = tried(told)
    for name, error in answers:
        console.print(
            f"{name}: [green]delivered[/]" if error is None else f"[bold red]failed[/] {error}", highlight=False
        )
    raise typer.Exit(int(any(error for _, error in answers)))
