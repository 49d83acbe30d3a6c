"""`barhouse up`: the warehouse with its API, kept up to date from real vendors."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console

from barhouse.api.app import create
from barhouse.cli.logs import on_standard_error
from barhouse.cli.options import DataDir, configured
from barhouse.cli.serving import address, admission, listening, serve
from barhouse.flow import instruments
from barhouse.flow.jobs import catch_up
from barhouse.flow.warehouse import opened
from barhouse.scheduler.engine import running


def up(
    *,
    host: Annotated[str | None, typer.Option(help="The address to listen on.", show_default=False)] = None,
    port: Annotated[int | None, typer.Option(help="The port to listen on.", show_default=False)] = None,
    insecure: Annotated[bool, typer.Option("--insecure", help="Serve other machines without a key.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Run the warehouse: bring what is tracked up to date, and serve API and dashboard.

    Example: [bold]barhouse up --port 8080[/]
    """
    on_standard_error(logging.INFO)
    console, settings = Console(), configured(data_dir)
    given = {"host": host, "port": port, "insecure": insecure or None}
    settings = settings.model_copy(update={name: value for name, value in given.items() if value is not None})
    app = create(settings)
    app.state.is_scheduling = True
    with listening(settings.host, [settings.port]) as listener, opened(settings) as db:
        tracked, who = instruments.tracked(db), admission(db, settings)
        console.print(f"Dashboard: [bold underline]{address(listener)}[/]   (Ctrl-C ends it)", highlight=False)
        console.print(who, highlight=False, soft_wrap=True)
        if not tracked:
            console.print("Nothing is tracked yet: [bold]barhouse track AAPL MSFT SPY --since 2015-01-01[/]")
        catch_up(db, datetime.now(UTC), by="up")
        with running(db, settings):
            serve(app, listener)
