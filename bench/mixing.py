"""Mixed traffic: python -m bench.mixing URL CONNECTIONS SECONDS asks a Barhouse for all sorts of things at once.

It prints how many requests a second were answered, how long half and 99 of 100 took at most, and what went wrong.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
import urllib.request
from collections import Counter
from dataclasses import dataclass, field
from urllib.parse import urlsplit

MIX = (
    (30, "GET", "/api/v1/historical/{series}&limit=100"),
    (10, "GET", "/api/v1/historical/{series}&limit=100&min_quality=0.{number}"),
    (8, "GET", "/api/v1/historical/{series}&limit=5000"),
    (4, "GET", "/api/v1/historical/{series}&limit=1000&adjust=splits"),
    (4, "GET", "/api/v1/historical/{series}&format=csv&limit=20000"),
    (4, "GET", "/api/v1/historical/{series}&format=arrow&features=true&limit=20000"),
    (4, "GET", "/api/v1/bars?symbols=*&timeframe={timeframe}&format=ndjson&limit=20000"),
    (8, "GET", "/api/v1/features/quant/{series}&limit=500"),
    (5, "GET", "/api/v1/data/quality/{symbol}"),
    (5, "GET", "/api/v1/enrichment/status/{symbol}"),
    (5, "GET", "/api/v1/status"),
    (3, "GET", "/api/v1/symbols"),
    (3, "GET", "/api/v1/enrichment/dashboard/overview"),
    (2, "GET", "/api/v1/admin/scheduler-health"),
    (2, "GET", "/api/v1/data/anomalies"),
    (2, "GET", "/health"),
    (1, "POST", "/api/v1/enrichment/pause"),
    (1, "POST", "/api/v1/enrichment/resume"),
)
"""How often, of a hundred, what is asked for."""

FAILED = 500


@dataclass(slots=True)
class Seen:
    """What came of the requests."""

    took: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def told(self, seconds: float) -> dict[str, object]:
        """The figures."""
        took = sorted(self.took)
        p50, p99 = (took[int(len(took) * share)] * 1000 for share in (0.5, 0.99))
        rate = {"requests_s": len(took) / seconds, "p50_ms": p50, "p99_ms": p99}
        return {**rate, "statuses": dict(self.statuses), "errors": len(self.failures), "failures": self.failures[:5]}


async def asking(host: str, port: int, series: list[tuple[str, str]], until: float, seen: Seen, seed: int) -> None:
    """Ask for one thing after the other on one connection."""
    lot = random.Random(seed)
    reader, writer = await asyncio.open_connection(host, port, limit=2**20)
    while (start := time.perf_counter()) < until:
        [(_, method, target)] = lot.choices(MIX, [weight for weight, _, _ in MIX])
        symbol, timeframe = lot.choice(series)
        named = {"symbol": symbol, "timeframe": timeframe, "series": f"{symbol}?timeframe={timeframe}"}
        path = target.format(**named, number=f"{lot.randrange(10**6):06}")
        writer.write(f"{method} {path} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 0\r\n\r\n".encode())
        status = await answered(reader)
        seen.took.append(time.perf_counter() - start)
        seen.statuses[status] += 1
        if status >= FAILED or status in (400, 404, 422):
            seen.failures.append(f"{status} {path}")
    writer.close()
    await writer.wait_closed()


async def answered(reader: asyncio.StreamReader) -> int:
    """The status of an answer that was read to its end."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    if b"transfer-encoding: chunked" in head:
        while size := int(await reader.readline(), 16):
            await reader.readexactly(size + 2)
        await reader.readline()
    elif b"content-length:" in head:
        await reader.readexactly(int(head.split(b"content-length:")[1].split(b"\r\n")[0]))
    return int(head[9:12])


def stored(url: str) -> list[tuple[str, str]]:
    """The series that have bars, as symbol and timeframe; those of one class, so that no symbol is ambiguous."""
    with urllib.request.urlopen(f"{url}/api/v1/symbols/detailed?asset_class=stock") as answer:
        every = json.loads(answer.read())["symbols"]
    return [(each["symbol"], one["timeframe"]) for each in every for one in each["series"] if one["bars"]]


async def mixed(url: str, connections: int, seconds: float) -> dict[str, object]:
    """Ask for so long on so many connections."""
    parts, series, seen = urlsplit(url), stored(url), Seen()
    assert parts.hostname and parts.port
    until = time.perf_counter() + seconds
    every = (asking(parts.hostname, parts.port, series, until, seen, seed) for seed in range(connections))
    await asyncio.gather(*every)
    return seen.told(seconds)


if __name__ == "__main__":
    print(json.dumps(asyncio.run(mixed(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))))
