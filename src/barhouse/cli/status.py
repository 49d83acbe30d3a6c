"""`barhouse status`: what is stored, and what is missing of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

from barhouse.cli.options import DataDir, configured
from barhouse.cli.tables import listing
from barhouse.config import Settings
from barhouse.flow.standing import Standing, standings
from barhouse.flow.warehouse import opened
from barhouse.model import Span
from barhouse.sources import configured as sources_of
from barhouse.store import server
from barhouse.store.server import Server

SPANS = 2
"""So many spans are named; the others are only counted."""


def status(*, data_dir: DataDir = None) -> None:
    """Show what is stored, and what is missing of it.

    Example: [bold]barhouse status[/]
    """
    console, settings = Console(), configured(data_dir)
    with opened(settings) as db:
        found = standings(db, datetime.now(UTC))
        with db.connection() as connection:
            state = server.state(connection)
    if found:
        console.print(_table(found))
    else:
        console.print("Nothing is stored yet: [bold]barhouse track AAPL MSFT SPY && barhouse backfill[/]")
    console.print(f"\n{_about(settings, state, sum(each.bars for each in found))}", style="dim", highlight=False)


def _table(found: Sequence[Standing]) -> Table:
    table = listing("series", "class", ">bars", "first", "last", "missing")
    for each in found:
        name = Text(str(each.series), style="bold" if each.tracked else "")
        told = (f"{each.bars:,}", _day(each.first), _day(each.last))
        table.add_row(name, each.series.instrument.asset_class, *told, _missing(each))
    return table


def _missing(each: Standing) -> Text:
    """What is not there, the worst first."""
    kinds = (
        ("failed", each.failed, "red"),
        ("not read", each.unread, "yellow"),
        ("no source", each.unreachable, "dim"),
    )
    parts = [Text(f"{word} {_spans(spans)}", style) for word, spans, style in kinds if spans]
    if each.unjudged:
        parts.insert(0, Text(each.unjudged, "red"))
    if each.progress:
        done, expected = each.progress
        parts.append(Text(f"being read: {done:,} of {expected:,} bars, {100 * done // expected} %", "cyan"))
    return Text("\n").join(parts) if parts else Text("nothing", "green")


def _spans(spans: Sequence[Span]) -> str:
    named = ", ".join(f"{_day(span.start)} to {_day(span.end)}" for span in spans[:SPANS])
    return f"{named} and {len(spans) - SPANS} more" if len(spans) > SPANS else named


def _day(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d}" if moment else "-"


def _about(settings: Settings, state: Server, bars: int) -> str:
    where = "DATABASE_URL" if settings.database_url else settings.data_dir
    sources = ", ".join(sources_of(settings))
    return f"{bars:,} bars, {state.bytes / 1e6:,.0f} MB, PostgreSQL {state.version} ({where}); sources: {sources}"
