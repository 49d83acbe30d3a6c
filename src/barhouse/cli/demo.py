"""`barhouse demo`: the main job on real bars, without keys, without a network, without a database server."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

import httpx
import typer
from pydantic import SecretStr
from rich.console import Console
from rich.table import Table

from barhouse.api import vendor_side
from barhouse.api.sample import sample
from barhouse.cli.bring import bring
from barhouse.cli.options import DataDir, configured
from barhouse.cli.serving import free_port, serve
from barhouse.config import Settings
from barhouse.flow.backfill import Outcome
from barhouse.flow.plan import Wanted
from barhouse.flow.track import track
from barhouse.flow.warehouse import opened
from barhouse.model import EARLIEST, Instrument, Span, Timeframe
from barhouse.sources import configured as sources_of
from barhouse.store import instruments
from barhouse.store.postgres import Database


def demo(
    *,
    once: Annotated[bool, typer.Option("--once", help="End with a summary instead of serving the dashboard.")] = False,
    port: Annotated[int, typer.Option(help="The dashboard's port; the next free one if it is taken.")] = 8000,
    data_dir: DataDir = None,
) -> None:
    """See it work: real bars of five stocks, from a vendor's protocol to a dashboard.

    A vendor side on this machine speaks Polygon's, Yahoo's and Binance's protocols over packaged bars; everything
    else is what production runs. The demo keeps its data apart from yours.

    Example: [bold]barhouse demo --once[/]
    """
    console = Console()
    settings = configured(data_dir)
    settings = settings.model_copy(update={"data_dir": settings.data_dir / "demo", "database_url": None})
    began = time.monotonic()
    with vendor_side.running() as vendors, opened(settings) as db:
        console.print(f"Warehouse ready in {time.monotonic() - began:.1f} s", style="dim", highlight=False)
        outcomes = _bring(db, _pointed_at(settings, vendors), console)
        console.print(_asked(vendors, outcomes), style="dim", highlight=False)
        console.print(_summary(db, outcomes))
        if not once:
            _serve(settings, port, console)


def _pointed_at(settings: Settings, vendors: str) -> Settings:
    """The same settings with every vendor on this machine."""
    return settings.model_copy(
        update={
            "polygon_api_key": SecretStr("demo"),
            "polygon_url": vendors,
            "polygon_calls_per_minute": 0,
            "yahoo_url": vendors,
            "binance_url": vendors,
            "binance_futures_url": vendors,
        }
    )


def _bring(db: Database, settings: Settings, console: Console) -> list[Outcome]:
    """Backfill every packaged series over all its history."""
    wanted = [
        Wanted(series, _history(series.instrument))
        for series in track(db, sample().instruments(), [Timeframe.D1], EARLIEST)
    ]
    return bring(db, sources_of(settings), wanted, console, concurrency=settings.max_concurrent_symbols)


def _history(instrument: Instrument) -> Span:
    """From the first packaged bar of an instrument to its last."""
    bars = sample().bars(instrument.symbol, instrument.asset_class, Timeframe.D1, EARLIEST, datetime.now(UTC))
    if bars is None or bars.is_empty():
        raise LookupError(f"{instrument} is not packaged")
    return Span(bars["time"][0], bars["time"][-1] + timedelta(days=1))


def _asked(vendors: str, outcomes: Sequence[Outcome]) -> str:
    """How often the vendors were asked: a second run has everything."""
    calls = sum(httpx.get(f"{vendors}/vendor-side/calls").raise_for_status().json().values())
    if not outcomes:
        return f"Everything was there already: {calls} calls to the vendors."
    return f"{calls} calls to the vendors; a second run makes none."


def _summary(db: Database, outcomes: Sequence[Outcome]) -> Table:
    """What is in the demo's warehouse now, and what this run did."""
    table = Table("series", "bars", "first", "last", "quality", "features", "new", "quarantined", box=None)
    table.header_style = "dim"
    ran = {str(outcome.series): outcome for outcome in outcomes}
    with db.connection() as connection:
        rows = instruments.judged(connection)
    for row in rows:
        name = f"{row['symbol']} {row['timeframe']}"
        outcome = ran.get(name)
        table.add_row(
            name,
            f"{row['bars']:,}",
            f"{row['first_bar']:%Y-%m-%d}",
            f"{row['last_bar']:%Y-%m-%d}",
            f"{row['quality_score']:.4f}",
            f"{row['featured']:,}",
            f"{outcome.inserted:,}" if outcome else "0",
            f"{outcome.quarantined:,}" if outcome else "0",
        )
    return table


def _serve(settings: Settings, port: int, console: Console) -> None:
    """The API and the dashboard, until Ctrl-C."""
    free = free_port(settings.host, port)
    where = f"--data-dir {settings.data_dir}"
    address = f"http://{settings.host}:{free}"
    console.print(f"\nDashboard: [bold underline]{address}[/]   (Ctrl-C ends it)\n", highlight=False)
    console.print("Try next, in another terminal:", style="dim")
    console.print(f"  barhouse bars AAPL --features {where}", highlight=False, soft_wrap=True)
    console.print(f"  curl '{address}/api/v1/historical/AAPL?start=2005-02-22&end=2005-03-05'", highlight=False)
    console.print(
        f"  barhouse export MSFT --format parquet --out msft.parquet {where}", highlight=False, soft_wrap=True
    )
    serve(settings, free)
