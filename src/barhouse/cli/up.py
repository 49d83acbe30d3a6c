"""`barhouse up`: the warehouse with its API, kept up to date from real vendors."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Annotated

import structlog
import typer
from rich.console import Console

from barhouse.cli.bring import bring
from barhouse.cli.options import DataDir, configured
from barhouse.cli.serving import is_free, serve
from barhouse.config import Settings
from barhouse.errors import BarhouseError, SettingsError
from barhouse.flow.plan import Wanted
from barhouse.flow.warehouse import opened
from barhouse.model import Span
from barhouse.sources import configured as sources_of
from barhouse.store import instruments
from barhouse.store.instruments import Tracked
from barhouse.store.postgres import Database

log = structlog.get_logger()


def up(
    *,
    host: Annotated[str | None, typer.Option(help="The address to listen on.", show_default=False)] = None,
    port: Annotated[int | None, typer.Option(help="The port to listen on.", show_default=False)] = None,
    insecure: Annotated[bool, typer.Option("--insecure", help="Serve other machines without a key.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Run the warehouse: bring what is tracked up to date, and serve API and dashboard.

    Example: [bold]barhouse track AAPL MSFT SPY --since 2015-01-01 && barhouse up[/]
    """
    console = Console()
    settings = configured(data_dir)
    given = {"host": host, "port": port, "insecure": insecure or None}
    settings = settings.model_copy(update={name: value for name, value in given.items() if value is not None})
    if not is_free(settings.host, settings.port):
        raise SettingsError(f"Port {settings.port} is taken; end what listens there, or name another with --port")
    with opened(settings) as db:
        with db.connection() as connection:
            tracked = instruments.tracked(connection)
        _greet(console, settings, tracked)
        threading.Thread(target=_catch_up, args=(db, settings, tracked, console), daemon=True).start()
        serve(settings, settings.port)


def _greet(console: Console, settings: Settings, tracked: list[Tracked]) -> None:
    console.print(
        f"Dashboard: [bold underline]http://{settings.host}:{settings.port}[/]   (Ctrl-C ends it)", highlight=False
    )
    if not tracked:
        console.print("Nothing is tracked yet: [bold]barhouse track AAPL MSFT SPY --timeframe 1d --since 2015-01-01[/]")


def _catch_up(db: Database, settings: Settings, tracked: list[Tracked], console: Console) -> None:
    """Bring all tracked series up to date beside the server."""
    now = datetime.now(UTC)
    wanted = [Wanted(each.series, Span(each.since, now)) for each in tracked if each.since < now]
    if not wanted:
        return
    try:
        outcomes = bring(db, sources_of(settings), wanted, console, concurrency=settings.max_concurrent_symbols)
    except BarhouseError as error:
        log.error("backfill_failed", error=str(error))
        return
    for outcome in outcomes:
        log.info(
            "backfill_completed",
            series=str(outcome.series),
            inserted=outcome.inserted,
            updated=outcome.updated,
            quarantined=outcome.quarantined,
            missing=[str(span) for span in outcome.missing],
        )
