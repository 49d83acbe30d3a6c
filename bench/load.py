"""Many connections that ask again and again: `python -m bench.load URL CONNECTIONS SECONDS` prints what they saw.

`{n}` in the URL is another number in each request.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
from urllib.parse import urlsplit

NUMBERS = itertools.count(1)


async def ask(host: str, port: int, target: str, until: float, key: str) -> list[float]:
    """The seconds that each answer took on one connection."""
    reader, writer = await asyncio.open_connection(host, port)
    request = f"GET {target} HTTP/1.1\r\nHost: {host}:{port}\r\n{f'X-API-Key: {key}' if key else 'X: '}\r\n\r\n"
    took = []
    while (start := time.perf_counter()) < until:
        writer.write(request.replace("{n}", f"{next(NUMBERS):06}").encode())
        head = await reader.readuntil(b"\r\n\r\n")
        if b" 200 " not in head.split(b"\r\n", 1)[0]:
            raise SystemExit(head.decode())
        await reader.readexactly(int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0]))
        took.append(time.perf_counter() - start)
    writer.close()
    return took


async def load(url: str, connections: int, seconds: float, key: str = "") -> dict[str, float]:
    """Requests a second, and the milliseconds that half and 99 of 100 stayed under."""
    parts = urlsplit(url)
    assert parts.hostname and parts.port
    start = time.perf_counter()
    asking = [
        ask(parts.hostname, parts.port, f"{parts.path}?{parts.query}", start + seconds, key) for _ in range(connections)
    ]
    took = sorted(each for answers in await asyncio.gather(*asking) for each in answers)
    elapsed = time.perf_counter() - start
    p50, p99 = (took[int(len(took) * share)] * 1000 for share in (0.5, 0.99))
    return {"requests_s": len(took) / elapsed, "p50_ms": p50, "p99_ms": p99}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(load(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), *sys.argv[4:]))))
