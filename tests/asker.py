"""Processes that ask a vendor under one quota, for tests that run several.

python -m tests.asker DATABASE_URL VENDOR MOST WINDOW CALLS begins when its input ends.
"""

from __future__ import annotations

import asyncio
import sys

from barhouse.flow.vendors import Shared
from barhouse.resilience.pace import Allowance
from barhouse.sources.http import Http
from barhouse.store.postgres import Database


async def ask(db: Database, url: str, allowance: Allowance, calls: int) -> None:
    """Ask so many questions at once."""
    http = Http("polygon", url, pace=Shared(db, allowance))
    await asyncio.gather(*(http.get("/bars") for _ in range(calls)))
    await http.close()


def main(database_url: str, url: str, most: str, window: str, calls: str) -> None:
    """Begin when the input ends, so that all begin together."""
    with Database(database_url) as db:
        sys.stdin.read()
        asyncio.run(ask(db, url, Allowance("polygon", "hash of a key", int(most), float(window)), int(calls)))


if __name__ == "__main__":
    main(*sys.argv[1:])
