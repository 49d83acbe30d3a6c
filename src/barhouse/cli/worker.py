"""`barhouse worker`: another pair of hands for the jobs."""

from __future__ import annotations

import logging
import signal
from threading import Event

import typer
from rich.console import Console

from barhouse.cli.logs import on_standard_error
from barhouse.cli.options import DataDir, configured
from barhouse.flow.warehouse import opened
from barhouse.scheduler.worker import working


def worker(*, data_dir: DataDir = None) -> None:
    """Do what jobs ask for, beside other workers on the same database.

    Example: [bold]barhouse worker[/], with the `DATABASE_URL` of the others
    """
    on_standard_error(logging.INFO)
    settings, over = configured(data_dir), Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    with opened(settings) as db, working(db, settings):
        Console().print("Works; what jobs ask for is done here.   (Ctrl-C ends it)", highlight=False)
        while not over.wait(1):
            pass
    raise typer.Exit(130)
