"""What it costs to call a vendor with all that stands guard."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

import httpx

from barhouse.flow.vendors import Shared
from barhouse.resilience.limiter import RateLimiter
from barhouse.resilience.manager import guards
from barhouse.resilience.pace import Allowance, Pace, Turns
from barhouse.sources.http import Http
from bench.harness import RUNS, Figure, figure, seconds, warehouse

CALLS = 300
SHARED_CALLS = 50
ENDLESS = RateLimiter("bench", 1e9, 1.0)
"""A bucket that never makes a call wait: its pace is no overhead."""

UNLIMITED = Allowance("bench", "nobody", 0)
LIMITED = Allowance("bench", "everybody", 1_000_000)


@figure
def resilience_overhead() -> Figure:
    """What retry, bulkhead, breaker and bucket add to a call of a vendor, in µs, beside the bare call; aim: under 100.

    The details say what it adds to keep a quota in the database, one that is unlimited and one that waits for the disk.
    """
    with warehouse() as db:
        paces: Mapping[str, Turns] = {
            "alone": Pace(0),
            "unlimited": Shared(db, UNLIMITED),
            "limited": Shared(db, LIMITED),
        }
        runs = [_run(paces) for _ in range(RUNS + 1)][1:]
    bare = statistics.median(run["bare"] for run in runs)
    added = {name: statistics.median(run[name] - run["bare"] for run in runs) for name in paces}
    details = {"shared_quota_us": added["unlimited"], "durable_quota_us": added["limited"]}
    return Figure("resilience_overhead", added["alone"], "µs", bare, bare / (bare + added["alone"]), details)


def _run(paces: Mapping[str, Turns]) -> dict[str, float]:
    """Microseconds of a bare call, and of a guarded one at each pace."""
    return {"bare": _each(None)} | {name: _each(pace) for name, pace in paces.items()}


def _each(pace: Turns | None) -> float:
    calls = SHARED_CALLS if isinstance(pace, Shared) else CALLS
    return seconds(lambda: asyncio.run(_calls(pace, calls))) / calls * 1e6


async def _calls(pace: Turns | None, calls: int) -> None:
    """Calls one after the other to a vendor in this process, guarded if there is a pace."""
    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=b"{}"))
    guard = replace(guards("bench"), limiter=ENDLESS)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        http = Http("bench", "http://127.0.0.1", guard=guard, pace=pace, transport=transport)

        async def bare() -> httpx.Response:
            return await client.get("/bars")

        call: Callable[[], Awaitable[httpx.Response]] = bare if pace is None else lambda: http.guarded(bare)
        for _ in range(calls):
            await call()
        await http.close()
