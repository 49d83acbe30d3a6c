"""`barhouse demo`: the main job on real bars, without keys, without a network, without a database server."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import httpx
import typer
from pydantic import SecretStr
from rich.console import Console
from rich.table import Table

from barhouse.api import vendor_side
from barhouse.api.app import create
from barhouse.api.faults import script
from barhouse.api.sample import sample
from barhouse.cli.advice import short, there
from barhouse.cli.bring import bring
from barhouse.cli.judged import judged
from barhouse.cli.options import DataDir, configured
from barhouse.cli.serving import address, admission, listening, serve
from barhouse.cli.tables import listing
from barhouse.config import Settings
from barhouse.flow import management
from barhouse.flow.backfill import Outcome
from barhouse.flow.causes import EVERYTHING, Look
from barhouse.flow.choosing import chosen
from barhouse.flow.plan import Wanted
from barhouse.flow.track import track
from barhouse.flow.vendors import vendors
from barhouse.flow.warehouse import opened
from barhouse.model import EARLIEST, Instrument, Span, Timeframe
from barhouse.scheduler.engine import running
from barhouse.store import instruments
from barhouse.store.postgres import Database

PORTS = 50
"""So many ports are tried from the one that was asked for."""


def demo(
    *,
    once: Annotated[bool, typer.Option("--once", help="End with a summary instead of serving the dashboard.")] = False,
    port: Annotated[int, typer.Option(help="The dashboard's port; the next free one if it is taken.")] = 8000,
    faults: Annotated[
        str, typer.Option(help="What befalls the vendors: a .toml file, or words (docs/faults.md).")
    ] = "",
    data_dir: DataDir = None,
) -> None:
    """See it work: real bars of five stocks, from a vendor's protocol to a dashboard.

    A vendor side on this machine speaks Polygon's, Yahoo's and Binance's protocols over packaged bars; everything
    else is what production runs. The demo keeps its data apart from yours.

    Example: [bold]barhouse demo --once --faults "error chance=0.3; reset every=3 after=0.5"[/]
    """
    console = Console()
    script(faults)
    settings = configured(data_dir)
    settings = settings.model_copy(update={"data_dir": settings.data_dir / "demo", "database_url": None})
    began = time.monotonic()
    with _vendors(faults) as started, opened(settings) as db:
        address = started()
        console.print(f"Warehouse ready in {time.monotonic() - began:.1f} s", style="dim", highlight=False)
        at_hand = pointed_at(settings, address)
        outcomes = _bring(db, at_hand, console)
        console.print(_asked(address, outcomes), style="dim", highlight=False)
        if faults:
            console.print(_befell(address), style="dim", highlight=False)
        console.print(_summary(db, outcomes))
        # The packaged bars end years ago: that they are overdue is no news.
        looks, where = EVERYTHING - {Look.STALENESS}, settings.data_dir
        verdict = judged(db, chosen(db), looks, data_dir=where, program=_program())
        console.print(verdict, highlight=False, soft_wrap=True)
        if not once:
            _serve(db, at_hand, port, console)


@contextmanager
def _vendors(faults: str) -> Iterator[Callable[[], str]]:
    """The vendor side, which starts while the database does; its address once that is known."""
    with ExitStack() as stack, ThreadPoolExecutor(1) as helper:
        starting = helper.submit(stack.enter_context, vendor_side.running(faults=faults))
        yield starting.result


def pointed_at(settings: Settings, vendors: str) -> Settings:
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
    """Backfill every packaged series over all its history; it ended years ago, so nothing more is waited for."""
    wanted = [packaged(db, instrument) for instrument in sample().instruments()]
    outcomes = bring(db, vendors(db, settings), wanted, console, concurrency=settings.max_concurrent_symbols)
    management.drop(db, [each.series.instrument for each in wanted], [Timeframe.D1], by="demo")
    return outcomes


def packaged(db: Database, instrument: Instrument) -> Wanted:
    """A packaged instrument from its first bar to its last."""
    bars = sample().bars(instrument.symbol, instrument.asset_class, Timeframe.D1, EARLIEST, datetime.now(UTC))
    if bars is None or bars.is_empty():
        raise LookupError(f"{instrument} is not packaged")
    history = Span(bars["time"][0], bars["time"][-1] + timedelta(days=1))
    [series] = track(db, [instrument], [Timeframe.D1], history.start)
    return Wanted(series, history)


def _asked(vendors: str, outcomes: Sequence[Outcome]) -> str:
    """How often the vendors were asked: a second run has everything."""
    calls = sum(_counts(vendors, "calls").values())
    if not outcomes:
        return f"Everything was there already: {calls} calls to the vendors."
    return f"{calls} calls to the vendors; a second run makes none."


def _befell(vendors: str) -> str:
    """Which faults the backfill met."""
    told = _counts(vendors, "faults")
    return f"Faults on the way: {', '.join(f'{count} × {name}' for name, count in told.items()) or 'none'}."  # noqa: RUF001


def _counts(vendors: str, what: str) -> dict[str, int]:
    """What the vendor side counted so far."""
    told = httpx.get(f"{vendors}/vendor-side/{what}", trust_env=False, verify=vendors.startswith("https:"))
    counts: dict[str, int] = told.raise_for_status().json()
    return counts


def _summary(db: Database, outcomes: Sequence[Outcome]) -> Table:
    """What is in the demo's warehouse now, and what this run did."""
    table = listing("series", ">bars", "first", "last", ">quality", ">features", ">new", ">quarantined")
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


def _serve(db: Database, settings: Settings, port: int, console: Console) -> None:
    """The API and the dashboard, with all that works behind them, until Ctrl-C."""
    with listening(settings.host, range(port, min(port + PORTS, 65536))) as listener:
        console.print(f"\nDashboard: [bold underline]{address(listener)}[/]   (Ctrl-C ends it)", highlight=False)
        console.print(f"{admission(db, settings)}\n", highlight=False, soft_wrap=True)
        console.print("Try next, in another terminal:", style="dim")
        for line in _next(address(listener), settings.data_dir):
            console.print(f"  {line}", highlight=False, markup=False, soft_wrap=True)
        app = create(settings)
        app.state.is_scheduling = True
        with running(db, settings):
            serve(app, listener)


def _next(where: str, data_dir: Path) -> tuple[str, str, str]:
    """Three commands, to be pasted as they are."""
    return (
        f"{_program()} bars AAPL --features{there(data_dir)}",
        f"curl '{where}/api/v1/historical/AAPL?start=2005-02-22&end=2005-03-05'",
        f"{_program()} export MSFT --out msft.parquet{there(data_dir)}",
    )


def _program() -> str:
    """This program, where no environment was activated."""
    return short(Path(sys.executable).with_name("barhouse"))
