"""`barhouse schedule`: what comes when, who fires it, and what is paused."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console

from barhouse.cli.commands import PLAIN
from barhouse.cli.options import DataDir, configured, me
from barhouse.cli.tables import listing
from barhouse.flow import scheduling
from barhouse.flow.warehouse import opened
from barhouse.model import instant
from barhouse.store.schedules import Name, Schedule, Standing

Named = Annotated[Name, typer.Argument(metavar="NAME", help="As `barhouse schedule list` shows it.")]

schedule = typer.Typer(
    name="schedule",
    no_args_is_help=True,
    help="Show what comes when and who sees to it; pause it, resume it, or run it now.\n\n"
    "Example: [bold]barhouse schedule list[/]",
    **PLAIN,
)


@schedule.command("list")
def list_(*, data_dir: DataDir = None) -> None:
    """Show all schedules, when each comes next, and what came of it last.

    Example: [bold]barhouse schedule list[/]
    """
    with opened(configured(data_dir)) as db:
        _show(Console(), scheduling.standing(db))


@schedule.command()
def pause(name: Named, *, data_dir: DataDir = None) -> None:
    """Let a schedule fire no more, in any process, until it is resumed; what is under way goes on.

    With enrichment stand critical and large, which enrich too.

    Example: [bold]barhouse schedule pause enrichment[/]
    """
    with opened(configured(data_dir)) as db:
        scheduling.pause(db, name, me())
        _show(Console(), scheduling.standing(db))


@schedule.command()
def resume(name: Named, *, data_dir: DataDir = None) -> None:
    """Let a paused schedule go on from its next time; what fell into the pause is not made up for.

    Example: [bold]barhouse schedule resume enrichment[/]
    """
    with opened(configured(data_dir)) as db:
        scheduling.resume(db, name, me())
        _show(Console(), scheduling.standing(db))


@schedule.command()
def run(name: Named, *, data_dir: DataDir = None) -> None:
    """Fire a schedule now, out of its turn; workers do what it asks for.

    Example: [bold]barhouse schedule run backfill[/]
    """
    settings = configured(data_dir)
    with opened(settings) as db:
        scheduling.run_now(db, scheduling.timetable(settings), name, by=me())
        stands = scheduling.standing(db)
    _show(Console(), stands)
    if name in scheduling.ERRANDS and not stands.running:
        Console().print("No scheduler runs: it is done as soon as one does ([bold]barhouse up[/]).")


def _show(console: Console, stands: Standing) -> None:
    led = f"{stands.leader} since {_moment(stands.since)}" if stands.running else "nobody: `barhouse up` starts one"
    console.print(f"Led by {led}", highlight=False)
    for owner, differs in stands.differs.items():
        console.print(f"[yellow]{owner} is set otherwise[/]: {'; '.join(differs)}", highlight=False)
    table = listing("schedule", "UTC", "next", "last", "job", "came of it", "state")
    for each in stands.schedules:
        came = (each.last_result or {}).get("outcome", "")
        when = f"after {each.follows}" if each.follows else each.cron
        table.add_row(each.name, when, _next(each), _moment(each.last_fired_at), each.job_id, came, _state(each))
    console.print(table)


def _next(each: Schedule) -> str:
    return "" if each.paused_at or not each.enabled else _moment(each.next_fire_at)


def _moment(at: datetime | None) -> str:
    return "" if at is None else instant(at.astimezone(UTC))[:16]


def _state(each: Schedule) -> str:
    if not each.enabled:
        return "off"
    if each.paused_at:
        return f"paused by {each.paused_by} since {_moment(each.paused_at)}"
    return f"its job is {each.job_status}" if each.job_status in ("queued", "in_progress") else "on"
