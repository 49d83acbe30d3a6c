"""What a vendor allows, kept by many processes together on the clock of the database."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Any
from uuid import uuid4

import pytest
from pydantic import SecretStr

from barhouse.config import Settings
from barhouse.errors import DatabaseUnavailable, RateLimited, SourceUnavailable
from barhouse.flow.vendors import Shared, vendors
from barhouse.model import Instrument, Series, Span, Timeframe, moment
from barhouse.resilience.manager import guards
from barhouse.resilience.pace import Allowance, Pace, alone
from barhouse.resilience.retry import Retry
from barhouse.sources.http import Http
from barhouse.store import quotas
from barhouse.store.postgres import Database
from tests.vendors import Reply, Request, vendor

KEY = "hash of a key"
PROCESSES, CALLS, MOST, WINDOW = 4, 3, 5, 3.0
ON_THE_WAY = 0.5
"""Seconds that a call may take to its vendor; where 60 s are counted, 61 are kept."""

MINUTE = Allowance("binance", "here", 10, by_the_clock=True)
YEAR = Span(moment("2020-01-01"), moment("2021-01-01"))


def within(seconds: float, arrivals: list[float]) -> int:
    """The most arrivals in any window of so many seconds."""
    return max(sum(first <= other < first + seconds for other in arrivals) for first in arrivals)


def standing(db: Database) -> dict[str, Any]:
    [row] = quotas.standing(db)
    return row


def timed(work: Callable[[], Awaitable[object]]) -> float:
    async def run() -> float:
        began = time.monotonic()
        await work()
        return time.monotonic() - began

    return asyncio.run(run())


def test_four_processes_on_one_key_keep_to_its_quota_and_waste_none_of_it(database_url: str) -> None:
    arrivals: list[float] = []

    def script(_: Request) -> Reply:
        arrivals.append(time.monotonic())
        return Reply()

    with vendor(script) as host:
        told = [database_url, host.url, str(MOST), str(WINDOW), str(CALLS)]
        command = [sys.executable, "-m", "tests.asker", *told]
        askers = [subprocess.Popen(command, stdin=subprocess.PIPE) for _ in range(PROCESSES)]
        for asker in askers:
            assert asker.stdin
            asker.stdin.close()
        assert [asker.wait(300) for asker in askers] == [0] * PROCESSES

    assert len(arrivals) == PROCESSES * CALLS
    assert within(WINDOW - ON_THE_WAY, arrivals) <= MOST
    needed = (PROCESSES * CALLS - 1) // MOST * WINDOW
    assert max(arrivals) - min(arrivals) < needed + 2.0


@pytest.mark.every_server
def test_each_call_stands_behind_those_who_asked_before(db: Database) -> None:
    allowance = Allowance("polygon", KEY, 2, 100.0)

    told = [quotas.ask(db, allowance, uuid4()) for _ in range(6)]

    assert [each.wait for each in told] == [0, 0, *(pytest.approx(wait, abs=20) for wait in (100, 100, 200, 200))]


def test_who_comes_back_too_early_still_has_to_wait(db: Database) -> None:
    allowance, late = Allowance("polygon", KEY, 1, 100.0), uuid4()
    quotas.ask(db, allowance, uuid4())
    before = quotas.ask(db, allowance, late)

    again = quotas.ask(db, allowance, late, first=False)

    assert 0 < again.wait < before.wait <= 100


def test_a_refusal_in_one_process_holds_the_others(db: Database) -> None:
    async def other() -> None:
        await Shared(db, Allowance("polygon", KEY, 5)).turn()

    with vendor([Reply(b"", 429, {"retry-after": "0.5"}), Reply()]) as host:
        http = Http(
            "polygon", host.url, guard=guards("polygon", Retry(1)), pace=Shared(db, Allowance("polygon", KEY, 5))
        )
        with pytest.raises(RateLimited):
            asyncio.run(_get(http))

    assert 0.3 <= timed(other) < 2
    assert (standing(db)["total_requests"], standing(db)["rate_limited_count"]) == (2, 1)


def test_each_turn_tells_how_many_more_calls_may_leave(db: Database) -> None:
    async def left(turns: Shared | Pace) -> list[int | None]:
        return [await turns.turn() for _ in range(3)]

    allowance = Allowance("polygon", KEY, 3)

    assert asyncio.run(left(Shared(db, allowance))) == asyncio.run(left(alone(allowance))) == [2, 1, 0]
    assert asyncio.run(left(Shared(db, Allowance("polygon", KEY, 0)))) == [None, None, None]


async def _get(http: Http) -> None:
    try:
        await http.get("/bars")
    finally:
        await http.close()


def test_those_who_wait_already_are_held_too(db: Database) -> None:
    allowance = Allowance("polygon", KEY, 1, 0.3)

    async def held() -> None:
        await Shared(db, allowance).turn()
        waiting = asyncio.create_task(Shared(db, allowance).turn())
        await asyncio.sleep(0.1)
        await Shared(db, allowance).hold(0.8)
        await waiting

    assert timed(held) >= 0.85


def test_long_quiet_is_not_waited_for_and_costs_no_turn(db: Database) -> None:
    allowance = Allowance("polygon", KEY, 5)

    async def asked() -> None:
        await Shared(db, allowance).hold(1200)
        with pytest.raises(RateLimited, match=r"it wants no calls for 1[12]") as refused:
            await Shared(db, allowance).turn()
        assert refused.value.retry_after == pytest.approx(1200, abs=5)

    asyncio.run(asked())

    assert standing(db)["waiting"] == 0


def test_without_a_limit_nobody_waits_but_quiet_is_kept(db: Database) -> None:
    unlimited = Shared(db, Allowance("polygon", KEY, 0))

    async def many() -> None:
        for _ in range(20):
            await unlimited.turn()

    async def held() -> None:
        await unlimited.hold(0.4)
        await unlimited.turn()

    assert timed(many) < 30
    assert timed(held) >= 0.4


@pytest.mark.every_server
def test_weight_of_a_clock_minute_is_given_once(db: Database) -> None:
    told = [quotas.ask(db, MINUTE, uuid4(), weight=4) for _ in range(5)]
    waits = [each.wait for each in told]

    assert waits[0] == waits[1] == 0
    assert [each.used for each in told] in ([4, 8, 4, 8, 4], [4, 4, 8, 4, 8])
    assert all(wait <= 60 * (at // 2) for at, wait in enumerate(waits))
    assert waits[-1] > 60


def test_what_others_used_of_the_address_is_taken_over_from_the_vendor(db: Database) -> None:
    if time.time() % 60 > 55:
        time.sleep(6)
    binance = Shared(db, MINUTE)

    async def seen() -> None:
        await binance.turn(2)
        await binance.seen(2)
        await binance.seen(9)
        await binance.seen(5)

    asyncio.run(seen())

    assert standing(db)["used"] == 9
    assert quotas.ask(db, MINUTE, uuid4(), weight=2).wait > 0


def test_a_key_is_kept_as_its_hash_only(db: Database) -> None:
    with vendor(Reply(b"", 404)) as host:
        polygon = vendors(db, Settings(polygon_api_key=SecretStr("s3cr3t"), polygon_url=host.url))["polygon"]

        async def asked() -> None:
            with pytest.raises(Exception, match="404"):
                await polygon.actions(Series(Instrument("AAPL"), Timeframe.D1), YEAR)
            await polygon.close()

        asyncio.run(asked())

    with db.connection() as connection:
        kept = connection.execute("SELECT source, holder, most, seconds FROM vendor_quota").fetchall()
    assert kept == [("polygon", sha256(b"s3cr3t").hexdigest(), 5, 61.0)]


def test_no_call_leaves_uncounted_when_the_database_is_away() -> None:
    with vendor(Reply()) as host, Database("postgresql://127.0.0.1:1/none", timeout=0.5) as db:
        http = Http("polygon", host.url, pace=Shared(db, Allowance("polygon", KEY, 5)))
        with pytest.raises(DatabaseUnavailable, match="PostgreSQL gave no connection"):
            asyncio.run(_get(http))

    assert host.calls == 0


def test_a_vendor_that_is_ill_uses_up_no_quota(db: Database) -> None:
    async def failing(http: Http) -> None:
        with pytest.raises(SourceUnavailable):
            await http.get("/bars")
        for _ in range(3):
            with pytest.raises(Exception, match="OPEN"):
                await http.get("/bars")
        await http.close()

    with vendor(Reply(b"", 500)) as host:
        guard = guards("polygon", Retry(wait_initial=0.001, wait_jitter=0.0))
        asyncio.run(failing(Http("polygon", host.url, guard=guard, pace=Shared(db, Allowance("polygon", KEY, 50)))))

    assert standing(db)["total_requests"] == 5
