"""`barhouse jobs`: what was asked for, how far it is, and what to do about it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from barhouse.cli.commands import PLAIN
from barhouse.cli.options import DataDir, configured
from barhouse.cli.tables import listing
from barhouse.flow import jobs as flow
from barhouse.flow.jobs import Job
from barhouse.flow.warehouse import opened
from barhouse.model import instant
from barhouse.store.jobs import Kind
from barhouse.store.postgres import Database

LOOK = 0.5
"""Seconds between two looks at a job that is watched."""

Id = Annotated[str, typer.Argument(metavar="JOB", help="As `barhouse jobs list` shows it.")]

jobs = typer.Typer(
    name="jobs",
    no_args_is_help=True,
    help="Show what was asked for and how far it is; end it, or try again what failed.\n\n"
    "Example: [bold]barhouse jobs list[/]",
    **PLAIN,
)


@jobs.command("list")
def list_(
    *,
    kind: Annotated[Kind | None, typer.Option(help="Only such jobs.")] = None,
    last: Annotated[int, typer.Option("--last", "-n", min=1, max=1000, help="How many.")] = 20,
    data_dir: DataDir = None,
) -> None:
    """Show the latest jobs, newest first.

    Example: [bold]barhouse jobs list --kind backfill[/]
    """
    with opened(configured(data_dir)) as db:
        rows = flow.recent(db, kind, last)
    console = Console()
    if not rows:
        console.print("Nothing was asked for yet; `barhouse up` brings what is tracked.")
        return
    table = listing("job", "kind", "by", "asked", "status", ">series", ">failed", ">done", ">new bars")
    for row in rows:
        asked, done = instant(row["created_at"])[:19], f"{row['progress']:g} %"
        counts = (str(row["total"]), str(row["failed"]), done, f"{row['records_inserted']:,}")
        table.add_row(row["job_id"], row["kind"], row["requested_by"] or "", asked, row["status"], *counts)
    console.print(table)


@jobs.command()
def show(job: Id, *, data_dir: DataDir = None) -> None:
    """Show how a job and each of its series stand.

    Example: [bold]barhouse jobs show 0b3c8f0e-6c1d-4a57-9a0e-2f6a3f0b7c11[/]
    """
    with opened(configured(data_dir)) as db:
        _show(Console(), flow.job(db, job))


@jobs.command()
def cancel(job: Id, *, data_dir: DataDir = None) -> None:
    """End a job, but for the series that other jobs want too; what was kept stays.

    Example: [bold]barhouse jobs cancel 0b3c8f0e-6c1d-4a57-9a0e-2f6a3f0b7c11[/]
    """
    with opened(configured(data_dir)) as db:
        _show(Console(), flow.cancel(db, job))


@jobs.command()
def retry(job: Id, *, data_dir: DataDir = None) -> None:
    """Ask again for the series of a job that failed.

    Example: [bold]barhouse jobs retry 0b3c8f0e-6c1d-4a57-9a0e-2f6a3f0b7c11[/]
    """
    with opened(configured(data_dir)) as db:
        _show(Console(), flow.retry(db, job, by="cli"))


@jobs.command()
def watch(job: Id, *, data_dir: DataDir = None) -> None:
    """Follow a job to its end; ends with status 1 where series failed.

    Example: [bold]barhouse jobs watch 0b3c8f0e-6c1d-4a57-9a0e-2f6a3f0b7c11[/]
    """
    console = Console()
    with opened(configured(data_dir)) as db:
        ended = _followed(db, job, console)
    _show(console, ended)
    if ended["status"] == "failed":
        raise typer.Exit(1)


def _followed(db: Database, job: str, console: Console) -> Job:
    """The job at its end; until then a bar on a terminal shows how far it is."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task("", total=100)
        while (told := flow.job(db, job))["status"] not in ("completed", "failed"):
            progress.update(bar, completed=told["progress"], description=_words(told))
            time.sleep(LOOK)
        progress.update(bar, completed=100, description=_words(told))
    return told


def _words(job: Mapping[str, Any]) -> str:
    left = f", {job['eta_seconds']:,.0f} s left" if job["eta_seconds"] else ""
    return f"{job['status']}: {job['successful'] + job['failed']} of {job['total']} series{left}"


def _show(console: Console, job: Job) -> None:
    console.print(f"Job {job['job_id']}: {_words(job)}", highlight=False)
    table = listing("symbol", "class", "timeframe", "status", ">taken over", ">bars", ">new", "error")
    for task in job["tasks"]:
        bars = "" if task["bars_expected"] is None else f"{task['bars_done']:,} of {task['bars_expected']:,}"
        names = (task["symbol"], task["asset_class"], task["timeframe"], task["status"])
        table.add_row(
            *names, str(task["retry_count"]), bars, f"{task['records_inserted']:,}", task["error_message"] or ""
        )
    console.print(table)
