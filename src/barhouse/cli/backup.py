"""`barhouse backup` and `barhouse restore`: all that the warehouse holds, put away and brought back."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Annotated, Self

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from barhouse.cli.options import DataDir, configured
from barhouse.flow import backup as backups
from barhouse.flow import restore as restores
from barhouse.flow.backup import Saved

BYTES = ("Written", "Checked", "Restored")


def backup(
    *,
    out: Annotated[
        Path | None,
        typer.Option(help="The folder for backups, else `backups` beside the data.", show_default=False),
    ] = None,
    verify: Annotated[bool, typer.Option(help="Restore it into a scratch database and compare.")] = True,
    keep: Annotated[
        int | None, typer.Option(min=1, help="So many backups stay in the folder, the newest.", show_default=False)
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Write all that the warehouse holds into a folder, while it runs, and try whether it can be restored.

    Example: [bold]barhouse backup --out /mnt/backups --keep 7[/]
    """
    console, settings = Console(), configured(data_dir)
    folder = (out or settings.data_dir / "backups").expanduser()
    with Steps(console) as steps:
        saved = backups.backup(settings, folder, datetime.now(UTC), report=steps, verify=verify, keep=keep)
    _tell(console, saved)


def _tell(console: Console, saved: Saved) -> None:
    bars = sum(count.rows for count in saved.manifest.content.series.values())
    rows = sum(count.rows for count in saved.manifest.content.tables.values())
    verified = "restored and compared" if saved.verified else "not tried"
    told = f"{bars:,} bars, {rows:,} rows in all, {saved.bytes / 1e6:,.1f} MB, {verified}"
    console.print(f"{saved.path}\n{told}", highlight=False, soft_wrap=True)
    for path in saved.removed:
        console.print(f"removed {path}", style="dim", highlight=False, soft_wrap=True)


def restore(
    backup: Annotated[Path, typer.Argument(metavar="BACKUP", help="The folder that `barhouse backup` named.")],
    *,
    into: Annotated[
        str | None,
        typer.Option(
            metavar="DATABASE_URL", help="Another database than usual; PGPASSWORD keeps the password out of sight."
        ),
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Also where bars are; they are kept elsewhere.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Make a backup the warehouse, once it was tried beside what is there; that is kept under another name.

    Example: [bold]barhouse restore /mnt/backups/barhouse-20240131T020000Z[/]
    """
    console, settings = Console(), configured(data_dir)
    usual = settings.database_url.get_secret_value() if settings.database_url and data_dir is None else None
    with Steps(console) as steps:
        done = restores.restore(backup.expanduser(), into or usual, settings.data_dir, report=steps, replace=replace)
    bars = sum(count.rows for count in done.manifest.content.series.values())
    console.print(f"{bars:,} bars as of {done.manifest.created_at} are in {done.database}", highlight=False)
    if done.aside:
        console.print(f"What was there is kept as the database {done.aside}", highlight=False)


class Steps:
    """Shows what is done: live bars on a terminal, a line a step elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._begun: dict[str, TaskID] = {}
        self._progress = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[told]}"),
            TimeElapsedColumn(),
            console=console,
            redirect_stderr=sys.stderr.isatty(),
            disable=not console.is_terminal,
        )

    def __call__(self, what: str, done: int, total: int | None) -> None:
        """So much of a step is through."""
        if what not in self._begun:
            self._begun[what] = self._progress.add_task(what, total=total, told="")
        told = _amount(what, done) if total is None else f"{_amount(what, done)} of {_amount(what, total)}"
        self._progress.update(self._begun[what], completed=done, total=total, told=told)
        if done == total and not self._console.is_terminal:
            self._console.print(f"{what}: {_amount(what, done)}", highlight=False)

    def __enter__(self) -> Self:
        self._progress.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.__exit__(kind, error, trace)


def _amount(what: str, count: int) -> str:
    return f"{count / 1e6:,.0f} MB" if what in BYTES else f"{count:,} tables"
