"""The baseline of a backfill, as scripts call it: the vendors' time against the database's."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from barhouse.api import vendor_side
from barhouse.api.faults import script
from barhouse.api.sample import sample
from barhouse.cli.demo import packaged, pointed_at
from barhouse.cli.logs import on_standard_error
from barhouse.cli.options import span
from barhouse.cli.tables import listing
from barhouse.config import Settings, settings
from barhouse.errors import BarhouseError, RequestError
from barhouse.flow.baseline import Spent, spent
from barhouse.flow.plan import Wanted
from barhouse.flow.track import named
from barhouse.flow.vendors import vendors
from barhouse.flow.warehouse import opened
from barhouse.model import Series, Timeframe
from barhouse.store import instruments
from barhouse.store.postgres import Database


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 0 if there were bars, and no attempt failed."""
    chosen = _parser().parse_args(arguments)
    on_standard_error()
    try:
        found = _measured(chosen)
    except BarhouseError as flaw:
        print(f"error {flaw}", file=sys.stderr)  # noqa: T201
        return 1
    told = [_told(one) for one in found]
    Console(stderr=chosen.json is None).print(_table(told))
    text = json.dumps({"series": told, "total": _total(told)}, indent=2)
    if chosen.json:
        chosen.json.write_text(text + "\n", encoding="utf-8")
    else:
        print(text)  # noqa: T201
    return 0 if found and not any(one.failed for one in found) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="How long vendors and database take for a backfill: JSON on stdout, a table on stderr.",
        epilog="Without --vendor-side the configured vendors are asked for spans that were read before, too.",
    )
    parser.add_argument(
        "symbols", nargs="*", help="what to backfill; with --vendor-side left out: all that is packaged"
    )
    parser.add_argument("--timeframes", default="1d", help="separated by commas")
    parser.add_argument("--from", dest="start", help="the first day")
    parser.add_argument("--to", dest="end", help="the day after the last one")
    parser.add_argument("--vendor-side", action="store_true", help="vendors and database of its own, on this machine")
    parser.add_argument(
        "--latency", type=float, default=0.0, help="seconds that the vendor side waits with each answer"
    )
    parser.add_argument("--faults", default="", help="what befalls the vendor side (docs/faults.md)")
    parser.add_argument("--json", type=Path, help="write the JSON to this file, and the table to stdout")
    return parser


def _measured(chosen: argparse.Namespace) -> list[Spent]:
    """Backfill what was chosen, where it was chosen."""
    now = datetime.now(UTC)
    with _where(chosen) as where, opened(where) as db:
        wanted = _wanted(db, chosen, now)
        return asyncio.run(spent(db, vendors(db, where), wanted, now, refresh=not chosen.vendor_side))


@contextmanager
def _where(chosen: argparse.Namespace) -> Iterator[Settings]:
    """The settings as they are, or those of a vendor side with an empty warehouse that goes away."""
    if not chosen.vendor_side:
        yield settings()
        return
    faults = "; ".join(filter(None, [chosen.faults, f"latency seconds={chosen.latency}" if chosen.latency else ""]))
    script(faults)
    with tempfile.TemporaryDirectory(prefix="barhouse-") as folder, vendor_side.running(faults=faults) as url:
        yield pointed_at(settings(), url).model_copy(update={"data_dir": Path(folder), "database_url": None})


def _wanted(db: Database, chosen: argparse.Namespace, now: datetime) -> list[Wanted]:
    """The series that were named, else all that is packaged."""
    if chosen.vendor_side and not chosen.symbols:
        return [packaged(db, instrument) for instrument in sample().instruments()]
    if not chosen.symbols:
        raise RequestError("Name symbols, or use --vendor-side")
    frames = Timeframe.several([chosen.timeframes])
    series = [Series(named(db, symbol, None), frame) for symbol in chosen.symbols for frame in frames]
    with db.transaction() as connection:
        known = [instruments.add_series(connection, one) for one in series]
    return [Wanted(one, span(chosen.start, chosen.end, one.timeframe, now)) for one in known]


def _told(of: Spent) -> dict[str, str | int | float]:
    return {
        "series": str(of.series),
        "bars": of.bars,
        "calls": of.calls,
        "failed_attempts": of.failed,
        "vendor_seconds": round(of.answering, 4),
        "asking_seconds": round(of.asking, 4),
        "database_seconds": round(of.keeping, 4),
    }


def _total(told: Sequence[dict[str, str | int | float]]) -> dict[str, int | float]:
    """The sums, and the vendors' part of both."""
    names = [name for name in told[0] if name != "series"] if told else []
    sums = {name: round(sum(n for one in told if not isinstance(n := one[name], str)), 4) for name in names}
    both = sums.get("asking_seconds", 0.0) + sums.get("database_seconds", 0.0)
    return {**sums, "vendor_share": round(sums["asking_seconds"] / both, 4)} if both else {**sums}


def _table(told: Sequence[dict[str, str | int | float]]) -> Table:
    """The same for people."""
    table = listing("series", ">bars", ">calls", ">failed", ">vendor s", ">asking s", ">database s", ">bars/s")
    for one in [*told, {"series": "total", **_total(told)}] if told else []:
        seconds = float(one["asking_seconds"]) + float(one["database_seconds"])
        table.add_row(
            str(one["series"]),
            f"{one['bars']:,.0f}",
            f"{one['calls']:,.0f}",
            f"{one['failed_attempts']:,.0f}",
            *(f"{one[name]:,.3f}" for name in ("vendor_seconds", "asking_seconds", "database_seconds")),
            f"{float(one['bars']) / seconds:,.0f}",
        )
    return table
