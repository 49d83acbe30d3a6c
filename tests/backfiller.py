"""Processes that backfill stocks into the embedded PostgreSQL, for tests that kill them.

python -m tests.backfiller reads lines `DATA_DIR VENDORS SYMBOL…` and forks one process for each, after the other:
imports take seconds. Of each it tells `pid`, `begun`, `kept SYMBOL INSERTED` once a piece is acknowledged, `done` or
`failed`, and `ended`.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from barhouse.config import Settings
from barhouse.errors import BarhouseError
from barhouse.flow.backfill import backfill
from barhouse.flow.plan import Piece, Wanted, plan
from barhouse.flow.warehouse import opened
from barhouse.model import Instrument, Series, Span, Timeframe
from barhouse.sources import configured
from barhouse.store import instruments
from barhouse.store.fetches import Fetch
from barhouse.store.postgres import Database

NOW = datetime(2026, 11, 1, tzinfo=UTC)
YEARS = [Span(datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)) for year in range(2000, 2014)]


def say(*words: object) -> None:
    """Let the test know."""
    sys.stdout.write(f"{' '.join(map(str, words))}\n")
    sys.stdout.flush()


def kept(piece: Piece, fetch: Fetch | None) -> None:
    """Acknowledge a piece."""
    if fetch:
        say("kept", piece.series.instrument.symbol, fetch.inserted)


async def bring(db: Database, settings: Settings, symbols: Sequence[str]) -> None:
    """Backfill what is missing, a year a piece."""
    sources = configured(settings)
    try:
        with db.transaction() as connection:
            every = [instruments.add_series(connection, Series(Instrument(one), Timeframe.D1)) for one in symbols]
        pieces = plan(db, sources, [Wanted(series, year) for series in every for year in YEARS], NOW)
        say("begun")
        await backfill(db, pieces, watch=kept, now=NOW)
    finally:
        for source in sources.values():
            await source.close()


def run(data_dir: Path, vendors: str, *symbols: str) -> None:
    """Backfill until all is there."""
    say("pid", os.getpid())
    polygon = {"polygon_api_key": "k", "polygon_calls_per_minute": 0, "polygon_url": vendors}
    where = {"data_dir": data_dir, "database_url": None, "yahoo_url": vendors, "binance_url": vendors}
    settings = Settings.model_validate(where | polygon)
    try:
        with opened(settings) as db:
            asyncio.run(bring(db, settings, symbols))
        say("done")
    except BarhouseError as failure:
        say("failed", failure)


def main() -> None:
    """Serve runs until the input ends."""
    for line in sys.stdin:
        data_dir, *others = line.split()
        if child := os.fork():
            os.waitpid(child, 0)
            say("ended")
        else:
            try:
                run(Path(data_dir), *others)
            finally:
                os._exit(0)


if __name__ == "__main__":
    main()
