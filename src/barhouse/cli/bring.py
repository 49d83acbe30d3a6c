"""A backfill that one can watch."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from barhouse.cli.tables import listing
from barhouse.flow import run
from barhouse.flow.backfill import Outcome, Watch
from barhouse.flow.plan import Piece, Wanted
from barhouse.model import Span, instant
from barhouse.sources.base import Source
from barhouse.store.fetches import Fetch
from barhouse.store.postgres import Database

WHOLE = "Backfill"


class Rate(ProgressColumn):
    """Bars a second, as they are kept."""

    def render(self, task: Task) -> Text:
        """The rate since the beginning, waiting for vendors included."""
        took = task.finished_time or task.elapsed
        return Text(f"{task.completed / took:,.0f} bars/s" if took and task.completed else "", style="cyan")


class Watched:
    """Shows a backfill's progress: a live bar on a terminal, a line a series elsewhere."""

    def __init__(self, console: Console, pieces: Sequence[Piece]) -> None:
        self._console = console
        self._left: dict[str, int] = {}
        for piece in pieces:
            self._left[str(piece.series)] = self._left.get(str(piece.series), 0) + 1
        self._kept: dict[str, int] = {}
        self.progress = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("{task.completed:,.0f} of {task.total:,.0f} bars"),
            Rate(),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=console,
            redirect_stderr=sys.stderr.isatty(),
            disable=not console.is_terminal,
        )
        self._task = self.progress.add_task(WHOLE, total=sum(piece.expected for piece in pieces))

    def __call__(self, piece: Piece, fetch: Fetch | None) -> None:
        """A piece is done; `fetch` says what was kept of it."""
        name = str(piece.series)
        self.progress.update(self._task, advance=piece.expected, description=name)
        if self.progress.finished:
            self.progress.update(self._task, description=WHOLE)
        self._kept[name] = self._kept.get(name, 0) + (fetch.inserted + fetch.updated if fetch else 0)
        self._left[name] -= 1
        if not self._left[name] and not self._console.is_terminal:
            self._console.print(f"{name}: {self._kept[name]:,} bars", highlight=False)


def bring(
    db: Database,
    sources: Mapping[str, Source],
    wanted: Sequence[Wanted],
    console: Console,
    *,
    concurrency: int,
    refresh: bool = False,
) -> list[Outcome]:
    """Backfill what is wanted, with its progress on `console`; what came of each series that had something to read."""
    return asyncio.run(brought(db, sources, wanted, console, concurrency=concurrency, refresh=refresh))


async def brought(
    db: Database,
    sources: Mapping[str, Source],
    wanted: Sequence[Wanted],
    console: Console,
    *,
    concurrency: int,
    refresh: bool = False,
) -> list[Outcome]:
    """The same for those who wait for other things too."""

    @contextmanager
    def watching(pieces: Sequence[Piece]) -> Iterator[Watch]:
        watched = Watched(console, pieces)
        with watched.progress if pieces else nullcontext():
            yield watched

    try:
        return await run.bring(db, sources, wanted, concurrency=concurrency, refresh=refresh, watching=watching)
    finally:
        for source in sources.values():
            await source.close()


def results(outcomes: Sequence[Outcome]) -> Table:
    """What came of each series."""
    table = listing("series", ">new", ">restated", ">unchanged", ">quarantined", "missing")
    for outcome in outcomes:
        counts = (outcome.inserted, outcome.updated, outcome.unchanged, outcome.quarantined)
        table.add_row(str(outcome.series), *(f"{count:,}" for count in counts), _spans(outcome.missing))
    return table


def _spans(spans: Sequence[Span]) -> Text:
    return Text(", ".join(f"{instant(span.start)[:10]} to {instant(span.end)[:10]}" for span in spans), style="red")
