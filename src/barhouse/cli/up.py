"""`barhouse up`: the warehouse with its API, kept up to date from real vendors."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated

import anyio
import structlog
import typer
from anyio.from_thread import start_blocking_portal
from rich.console import Console

from barhouse.api.app import create
from barhouse.cli.bring import brought
from barhouse.cli.judged import counted
from barhouse.cli.logs import on_standard_error
from barhouse.cli.options import DataDir, configured
from barhouse.cli.serving import address, listening, serve
from barhouse.cli.watch import watching
from barhouse.config import Settings
from barhouse.errors import BarhouseError
from barhouse.flow import instruments
from barhouse.flow.plan import Wanted
from barhouse.flow.sweep import sweep
from barhouse.flow.vendors import vendors
from barhouse.flow.warehouse import opened
from barhouse.model import Span
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

    Example: [bold]barhouse up --port 8080[/]
    """
    on_standard_error(logging.INFO)
    console, settings = Console(), configured(data_dir)
    given = {"host": host, "port": port, "insecure": insecure or None}
    settings = settings.model_copy(update={name: value for name, value in given.items() if value is not None})
    app = create(settings)
    with listening(settings.host, [settings.port]) as listener, opened(settings) as db:
        tracked = instruments.tracked(db)
        console.print(f"Dashboard: [bold underline]{address(listener)}[/]   (Ctrl-C ends it)", highlight=False)
        if not tracked:
            console.print("Nothing is tracked yet: [bold]barhouse track AAPL MSFT SPY --since 2015-01-01[/]")
        with _catching_up(db, settings, tracked, console), watching(db, settings):
            serve(app, listener)


@contextmanager
def _catching_up(db: Database, settings: Settings, tracked: Sequence[Tracked], console: Console) -> Iterator[None]:
    """Bring all tracked series up to date beside what is done; what is being kept is kept, the rest comes next time."""
    with start_blocking_portal() as portal:
        catching_up = portal.start_task_soon(_catch_up, db, settings, tracked, console)
        try:
            yield
        finally:
            catching_up.cancel()


async def _catch_up(db: Database, settings: Settings, tracked: Sequence[Tracked], console: Console) -> None:
    now = datetime.now(UTC)
    wanted = [Wanted(each.series, Span(each.since, now)) for each in tracked if each.since < now]
    limit = settings.max_concurrent_symbols
    try:
        outcomes = await brought(db, vendors(db, settings), wanted, console, concurrency=limit)
        written = [outcome.series for outcome in outcomes if outcome.fetches]
        found = await anyio.to_thread.run_sync(sweep, db, written)
    except BarhouseError as error:
        log.error("backfill_failed", error=str(error))
        return
    for outcome in outcomes:
        counts = {"inserted": outcome.inserted, "updated": outcome.updated, "quarantined": outcome.quarantined}
        missing = [str(span) for span in outcome.missing]
        log.info("backfill_completed", series=str(outcome.series), **counts, missing=missing)
    log.info("quality_judged", series=len(written), **counted(found))
