"""A process that runs a backfill, for tests that kill it: python -m tests.runner DATABASE_URL VENDORS SYMBOL…

It says `kept SYMBOL` when the first bars are durable, and goes no further, though it shows that it lives.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

from barhouse.flow.backfill import Watch
from barhouse.flow.plan import Piece
from barhouse.flow.run import bring
from barhouse.store.fetches import Fetch
from barhouse.store.postgres import Database
from tests.integration.test_run import NOW, at, wanted


def stuck(piece: Piece, _: Fetch | None) -> None:
    """Say that bars are kept, and stand still."""
    sys.stdout.write(f"kept {piece.series.instrument.symbol}\n")
    sys.stdout.flush()
    time.sleep(300)


def watching(_: Sequence[Piece]) -> AbstractContextManager[Watch]:
    """Nothing to end."""
    return nullcontext(stuck)


def main(url: str, vendors: str, *symbols: str) -> None:
    """Run until somebody kills it."""
    with Database(url) as db:
        asyncio.run(bring(db, at(vendors), wanted(db, *symbols), concurrency=1, watching=watching, now=NOW))


if __name__ == "__main__":
    main(*sys.argv[1:])
