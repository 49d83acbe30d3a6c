"""`barhouse doctor`: what is in order, what is not, and the mend."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import chain

import typer
from rich.console import Console
from rich.text import Text

from barhouse.cli.options import DataDir, configured
from barhouse.cli.serving import is_free
from barhouse.config import Settings
from barhouse.flow.doctor import Finding, State, examine

MARKS = {State.OK: ("ok  ", "green"), State.WARN: ("warn", "yellow"), State.FAIL: ("fail", "bold red")}


def doctor(*, data_dir: DataDir = None) -> None:
    """Look whether everything Barhouse needs is in order, and how to mend it.

    Ends with 1 if something fails. It changes nothing, and asks each vendor once.

    Example: [bold]barhouse doctor[/]
    """
    console, settings = Console(), configured(data_dir)
    failed = False
    for finding in chain(examine(settings, datetime.now(UTC)), [port(settings)]):
        _say(console, finding)
        failed = failed or finding.state is State.FAIL
    if failed:
        raise typer.Exit(1)


def port(settings: Settings) -> Finding:
    """Whether the API could listen."""
    where = f"{settings.host}:{settings.port}"
    if is_free(settings.host, settings.port):
        return Finding("port", State.OK, f"{where} is free")
    mend = "fine if that is Barhouse; else set BARHOUSE_PORT or barhouse up --port"
    return Finding("port", State.WARN, f"{where} is taken", mend)


def _say(console: Console, finding: Finding) -> None:
    mark, style = MARKS[finding.state]
    line = Text.assemble((mark, style), "  ", (f"{finding.what:<15}", "bold"), finding.seen)
    console.print(line, soft_wrap=True)
    if finding.mend and finding.state is not State.OK:
        console.print(Text(f"      {'':<15}{finding.mend}", "dim"), soft_wrap=True)
