"""`barhouse config`: what is set, by whom, and a file to set it in."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from barhouse.cli.commands import PLAIN
from barhouse.cli.options import DataDir, configured
from barhouse.cli.tables import listing
from barhouse.config import file, origins
from barhouse.config.loading import check as checked
from barhouse.config.loading import doubts, exposed
from barhouse.config.sample import sample
from barhouse.errors import SettingsError

config = typer.Typer(
    **PLAIN, help="Show what is set and by whom; begin a file of settings.\n\nExample: [bold]barhouse config show[/]"
)


@config.command()
def show(
    *, as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False, data_dir: DataDir = None
) -> None:
    """Show each setting, and who says so: a flag, a variable, a file, or nobody (default). Secrets stay hidden.

    Example: [bold]barhouse config show[/]
    """
    flags = {"data_dir": "--data-dir"} if data_dir else {}
    rows = origins.told(configured(data_dir), flags)
    if as_json:
        told = [{"name": row.name, "value": row.value, "origin": row.origin} for row in rows]
        typer.echo(json.dumps(told, indent=2, default=str))
        return
    table = listing("setting", "value", "told by")
    for row in rows:
        style = "dim" if row.origin == "default" else ""
        table.add_row(Text(row.name, style), Text(row.spoken, style), Text(row.origin, style))
    for column in table.columns:
        column.overflow = "fold"
    Console().print(table)
    _warn(doubts())


@config.command()
def init(
    path: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="Where; left out: where it is looked for.")
    ] = None,
) -> None:
    """Begin a file of settings: all there is, with its meaning and default, commented out. Nothing is overwritten.

    Example: [bold]barhouse config init[/]
    """
    where = (path or file.place() or file.home()).expanduser()
    if where.exists():
        raise SettingsError(f"{where} is there already; `barhouse config show` tells what it sets")
    try:
        where.parent.mkdir(parents=True, exist_ok=True)
        where.touch(0o600, exist_ok=False)
        where.write_text(sample(), encoding="utf-8")
    except OSError as flaw:
        raise SettingsError(f"{where} cannot be written: {flaw.strerror}") from None
    typer.echo(f"{where} is begun; nothing in it is told yet.")
    if where != file.place():
        typer.echo(f"It is read where it is named: barhouse --config {where}, or BARHOUSE_CONFIG={where}")


@config.command()
def check(path: Annotated[Path, typer.Argument(metavar="FILE", help="A file of settings.")]) -> None:
    """Say whether a file of settings can be used as it is; exit code 1 if not.

    Example: [bold]barhouse config check barhouse.toml[/]
    """
    checked(path)
    typer.echo(f"{path} can be used; it tells {origins.count(file.read(path))} settings.")
    _warn(exposed(path))


def _warn(doubts: Iterable[str]) -> None:
    console = Console(stderr=True, soft_wrap=True)
    for doubt in doubts:
        console.print(Text(doubt, "yellow"))
