"""The patterns of a process, as scripts register and use them."""

from __future__ import annotations

import asyncio
import time

import pytest

from barhouse.errors import RequestRefused, SourceUnavailable
from barhouse.resilience import get_resilience_manager
from barhouse.resilience.limiter import RateLimiter
from barhouse.resilience.manager import ResilienceManager
from barhouse.resilience.retry import Retry


def test_there_is_one_manager_a_process() -> None:
    assert get_resilience_manager() is get_resilience_manager()


def test_all_that_was_registered_is_in_the_status_with_its_state() -> None:
    manager = ResilienceManager()
    manager.register_circuit_breaker("b")
    manager.register_rate_limiter("l", rate=1).allow_request()
    manager.register_retry_policy("r")
    manager.register_bulkhead("h")

    told = {kind: [(item["name"], item["state"]) for item in items] for kind, items in manager.get_status().items()}

    assert told == {
        "circuit_breakers": [("b", "closed")],
        "rate_limiters": [("l", "exhausted")],
        "retry_policies": [("r", "active")],
        "bulkheads": [("h", "available")],
    }


def test_the_same_name_and_settings_are_the_same_pattern_and_others_a_new_one() -> None:
    manager = ResilienceManager()
    known = manager.register_circuit_breaker("b"), manager.register_retry_policy("r"), manager.register_bulkhead("h")

    assert manager.register_circuit_breaker("b") is known[0]
    assert manager.register_retry_policy("r") is known[1]
    assert manager.register_bulkhead("h") is known[2]
    assert manager.register_circuit_breaker("b", recovery_timeout=1) is not known[0]


def test_a_vendor_keeps_its_guards_until_it_is_another_address() -> None:
    manager = ResilienceManager()
    guard = manager.register_vendor("polygon", "https://a")

    assert manager.register_vendor("polygon", "https://a") is guard
    assert manager.register_vendor("polygon", "https://b").breaker is not guard.breaker
    assert [item["name"] for items in manager.get_status().values() for item in items] == ["polygon"] * 4


def test_waits_are_1_2_4_up_to_60_seconds() -> None:
    waits: list[float] = []
    policy = Retry(9, wait_jitter=0, ceiling=60, whatever=True, pause=waits.append)

    with pytest.raises(ZeroDivisionError):
        policy.execute_sync(lambda: 1 / 0)

    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]


def test_a_registered_policy_tries_again_whatever_went_wrong_but_a_refusal() -> None:
    policy = ResilienceManager().register_retry_policy("r", max_retries=2, initial_delay=0.001)
    asked: list[type[Exception]] = []

    async def fail(kind: type[Exception], *words: str) -> None:
        asked.append(kind)
        raise kind(*words)

    for kind, words in ((KeyError, ()), (SourceUnavailable, ("x", "y")), (RequestRefused, ("x", "y"))):
        with pytest.raises(kind):
            asyncio.run(policy.execute_async(fail, kind, *words))

    assert asked == [KeyError] * 3 + [SourceUnavailable] * 3 + [RequestRefused]


def test_a_bucket_lets_a_burst_out_and_then_keeps_the_rate() -> None:
    class Clock:
        now = 0.0

        def __call__(self) -> float:
            return self.now

    clock = Clock()
    bucket = RateLimiter("l", rate=60, interval=60, burst=3, clock=clock)

    def allowed() -> int:
        return sum(bucket.allow_request() for _ in range(10))

    assert allowed() == 3
    clock.now = 2.5
    assert allowed() == 2
    clock.now = 3.0
    assert allowed() == 1
    clock.now = 1000.0
    assert allowed() == 3


def test_who_waits_for_a_token_gets_one_at_the_rate() -> None:
    async def six(bucket: RateLimiter) -> float:
        began = time.monotonic()
        await asyncio.gather(*(bucket.turn() for _ in range(6)))
        return time.monotonic() - began

    assert 0.2 <= asyncio.run(six(RateLimiter("l", rate=20, interval=1, burst=2))) < 1


def test_a_bucket_without_a_rate_is_refused() -> None:
    with pytest.raises(ValueError, match="'l'"):
        ResilienceManager().register_rate_limiter("l", rate=0)


def test_no_more_calls_are_under_way_than_a_bulkhead_has_places() -> None:
    bulkhead = ResilienceManager().register_bulkhead("h", max_concurrent=2)
    running: list[object] = []

    async def call() -> None:
        running.append(bulkhead.status()["running"])
        await asyncio.sleep(0.01)

    async def five() -> None:
        await asyncio.gather(*(bulkhead.execute(call) for _ in range(5)))

    asyncio.run(five())
    asyncio.run(five())

    assert len(running) == 10
    assert max(map(str, running)) == "2"
    assert bulkhead.status()["state"] == "available"


def test_waiting_for_a_place_is_part_of_the_timeout() -> None:
    bulkhead = ResilienceManager().register_bulkhead("h", max_concurrent=1, timeout=0.1)

    async def two() -> list[object]:
        slow = [bulkhead.execute(asyncio.sleep, 0.08, "done") for _ in range(2)]
        return list(await asyncio.gather(*slow, return_exceptions=True))

    first, second = asyncio.run(two())

    assert first == "done"
    assert isinstance(second, TimeoutError)


def test_a_plain_function_has_its_place_too() -> None:
    assert asyncio.run(ResilienceManager().register_bulkhead("h").execute(max, 1, 2)) == 2
