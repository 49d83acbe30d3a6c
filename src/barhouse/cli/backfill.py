"""`barhouse backfill`: bring the missing bars of a span."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console

from barhouse.cli.bring import bring, results
from barhouse.cli.judged import judged
from barhouse.cli.options import Class, DataDir, From, Timeframes, To, asset_class, configured, span
from barhouse.cli.tables import shown
from barhouse.errors import RequestError
from barhouse.flow.plan import Wanted
from barhouse.flow.track import named
from barhouse.flow.vendors import vendors
from barhouse.flow.warehouse import opened
from barhouse.model import AssetClass, Series, Span, Timeframe, moment
from barhouse.sources.base import Source
from barhouse.store import instruments
from barhouse.store.postgres import Database


def backfill(
    symbols: Annotated[list[str] | None, typer.Argument(metavar="[SYMBOL…]", help="Left out: all tracked.")] = None,
    *,
    timeframes: Timeframes = ["1d"],  # noqa: B006
    start: From = None,
    end: To = None,
    asset: Class = None,
    source: Annotated[str | None, typer.Option(help="Ask this source only.")] = None,
    refresh: Annotated[bool, typer.Option("--refresh", help="Read again what was read already.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Bring what is missing; what was read before is not asked again.

    Example: [bold]barhouse backfill AAPL MSFT --from 2015-01-01[/]
    """
    console, settings, now = Console(), configured(data_dir), datetime.now(UTC)
    frames = Timeframe.several(timeframes)
    with opened(settings) as db:
        sources = _chosen(vendors(db, settings), source)
        if symbols:
            wanted = _named(db, symbols, asset_class(asset), frames, (start, end), now)
        else:
            wanted = _tracked(db, start, end, now)
        limit = settings.max_concurrent_symbols
        outcomes = bring(db, sources, wanted, console, concurrency=limit, refresh=refresh)
        verdict = judged(db, [outcome.series for outcome in outcomes if outcome.fetches], data_dir=data_dir)
    if not outcomes:
        console.print("Nothing is missing: every bar of this span was read already.")
        return
    console.print(results(outcomes))
    console.print(verdict, highlight=False, soft_wrap=True)
    for error in dict.fromkeys(str(error) for outcome in outcomes for error in outcome.errors):
        console.print(shown(error), style="yellow", highlight=False)
    if any(outcome.missing for outcome in outcomes):
        raise typer.Exit(1)


def _chosen(sources: Mapping[str, Source], name: str | None) -> Mapping[str, Source]:
    if name is None:
        return sources
    if name not in sources:
        raise RequestError(f"Source {name!r} is not configured; there are {', '.join(sources) or 'none'}")
    return {name: sources[name]}


def _named(
    db: Database,
    symbols: Sequence[str],
    asset: AssetClass | None,
    timeframes: Sequence[Timeframe],
    bounds: tuple[str | None, str | None],
    now: datetime,
) -> list[Wanted]:
    """The series of these symbols, which the warehouse learns to know if it does not yet."""
    wanted = [
        (Series(named(db, symbol, asset), timeframe), span(*bounds, timeframe, now))
        for symbol in symbols
        for timeframe in timeframes
    ]
    with db.transaction() as connection:
        return [Wanted(instruments.add_series(connection, series), stretch) for series, stretch in wanted]


def _tracked(db: Database, start: str | None, end: str | None, now: datetime) -> list[Wanted]:
    """All tracked series, each since its own start."""
    with db.connection() as connection:
        tracked = instruments.tracked(connection)
    if not tracked:
        raise RequestError("Nothing is tracked; name symbols, or `barhouse track AAPL` first")
    until = moment(end) if end else now
    return [Wanted(each.series, Span(moment(start) if start else each.since, until)) for each in tracked]
