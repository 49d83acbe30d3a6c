"""The verbs, one module each, of which only the one that was asked for is imported: `--help` is there at once."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from rich.console import Console
from typer.core import TyperCommand, TyperGroup

from barhouse.errors import BarhouseError, RequestError


class Verb(NamedTuple):
    """Where a verb, or a group of them, lives, and what it does: the first sentence of its own help."""

    module: str
    function: str
    summary: str


VERBS = {
    "demo": Verb("demo", "demo", "See it work: real bars of five stocks, from a vendor's protocol to a dashboard."),
    "up": Verb("up", "up", "Run the warehouse: bring what is tracked up to date, and serve API and dashboard."),
    "untrack": Verb("untrack", "untrack", "Fetch nothing of symbols any more; their bars stay."),
    "track": Verb("track", "track", "Keep series up to date from now on; says at once what no source can reach."),
    "backfill": Verb("backfill", "backfill", "Bring what is missing; what was read before is not asked again."),
    "import": Verb("importing", "import_", "Take bars from files; says what was taken, what was quarantined and why."),
    "export": Verb("exporting", "export", "Write bars to a file, CSV or Parquet."),
    "bars": Verb("bars", "bars", "Show the newest bars of a symbol."),
    "actions": Verb(
        "actions", "actions", "Show the splits and dividends of a symbol, who tells them, and which count."
    ),
    "quality": Verb("quality", "quality", "Show how good the data are, what is wrong with them and why."),
    "correct": Verb("correct", "correct_", "Correct fields of a stored bar; what was there stays on record."),
    "diff": Verb("diff", "diff_", "Show what was rewritten in the bars of a symbol since an instant."),
    "duplicates": Verb("duplicates", "duplicates", "Find bars that share a slot, clean them out, and undo that."),
    "quarantine": Verb("quarantine", "quarantine", "Look at rows that are no bars, judge them again, decide by hand."),
    "health": Verb(
        "health", "health", "Show how the warehouse is: what is late, what fails, what is wrong, what runs out."
    ),
    "alerts": Verb("alerts", "alerts", "Show what people were told, and try whether they can be reached."),
    "status": Verb("status", "status", "Show what is stored, and what is missing of it."),
    "jobs": Verb("jobs", "jobs", "Show what was asked for and how far it is; end it, or try again what failed."),
    "schedule": Verb(
        "schedule", "schedule", "Show what comes when and who sees to it; pause it, resume it, or run it now."
    ),
    "worker": Verb("worker", "worker", "Do what jobs ask for, beside other workers on the same database."),
    "backup": Verb(
        "backup",
        "backup",
        "Write all that the warehouse holds into a folder, while it runs, and try whether it can be restored.",
    ),
    "restore": Verb(
        "backup",
        "restore",
        "Make a backup the warehouse, once it was tried beside what is there; that is kept under another name.",
    ),
    "prune": Verb("prune", "prune", "Take out of the logs what is older than retention_days."),
    "keys": Verb("keys", "keys", "Say who may call the API, and what was done with their keys."),
    "config": Verb("config", "config", "Show what is set and by whom; begin a file of settings."),
    "doctor": Verb("doctor", "doctor", "Look whether everything Barhouse needs is in order, and how to mend it."),
}

PLAIN: dict[str, Any] = {
    "add_completion": False,
    "pretty_exceptions_enable": False,
    "rich_markup_mode": "rich",
}


class Verbs(TyperGroup):
    """The commands of `VERBS`, each imported when it is wanted."""

    def list_commands(self, ctx: object) -> list[str]:
        """Their names."""
        del ctx
        return list(VERBS)

    def get_command(self, ctx: object, cmd_name: str) -> Any:
        """The command of that name, None if there is none."""
        del ctx
        return _loaded(cmd_name) if cmd_name in VERBS else None

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Say what there is, for which nothing has to be imported."""
        names = {name: TyperCommand(name, help=verb.summary) for name, verb in VERBS.items()}
        listed = TyperGroup(name=self.name, commands={**names}, params=self.params, help=self.help)
        listed.format_help(ctx, formatter)

    def invoke(self, ctx: Any) -> Any:
        """Run a verb; what went wrong is one line on standard error, with what to do next."""
        errors = Console(stderr=True, soft_wrap=True)
        try:
            return super().invoke(ctx)
        except BarhouseError as error:
            errors.print(f"[bold red]error[/] {_plain(error)}", highlight=False)
            raise typer.Exit(2 if isinstance(error, RequestError) else 1) from None
        except KeyboardInterrupt:
            errors.print("stopped; what was kept stays", style="dim")
            raise typer.Exit(130) from None
        except BrokenPipeError:
            # The reader of our output has gone (`| head`): nothing more can be said, not even by the interpreter.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None


def _loaded(name: str) -> Any:
    """The command `name`, with all that it needs."""
    verb = VERBS[name]
    found = getattr(import_module(f"barhouse.cli.{verb.module}"), verb.function)
    if isinstance(found, typer.Typer):
        return typer.main.get_group(found)
    alone = typer.Typer(**PLAIN)
    alone.command(name)(found)
    return typer.main.get_command(alone)


def _plain(error: BarhouseError) -> str:
    """Its words, in which a bracket is a bracket and no markup."""
    from barhouse.cli.tables import shown

    return shown(str(error))


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"barhouse {version('barhouse')}")
        raise typer.Exit


app = typer.Typer(name="barhouse", cls=Verbs, no_args_is_help=True, **PLAIN)


@app.callback()
def barhouse(
    *,
    show: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Say the version."),
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The file of settings; else BARHOUSE_CONFIG names it.")
    ] = None,
) -> None:
    """Bars that say where they came from, what was checked, what was changed and why."""
    del show
    from barhouse.cli.logs import on_standard_error
    from barhouse.config import choose

    choose(config)
    on_standard_error()
