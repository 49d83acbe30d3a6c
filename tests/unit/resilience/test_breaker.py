"""When a vendor is left alone, and when it is tried again."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from barhouse.errors import CircuitOpen, RequestRefused, SourceError, SourceUnavailable
from barhouse.resilience.breaker import CircuitBreaker
from barhouse.resilience.manager import fails


class Clock:
    """A clock that a test moves by assignment."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def good() -> str:
    return "bars"


def bad() -> None:
    raise SourceUnavailable("x", "503")


def called(breaker: CircuitBreaker, outcomes: str) -> None:
    """Calls that fail where there is an f, and give an answer elsewhere."""
    for outcome in outcomes:
        with suppress(SourceUnavailable):
            breaker.call(bad if outcome == "f" else good)


def opened(clock: Clock) -> CircuitBreaker:
    """A breaker that opened just now."""
    breaker = CircuitBreaker("x", recovery_timeout=60, clock=clock)
    called(breaker, "fffff")
    return breaker


@pytest.mark.parametrize(
    ("outcomes", "state"),
    [
        ("ffff", "closed"),
        ("fffff", "open"),
        ("ssfff", "open"),
        ("sssff", "closed"),
        ("sssfff", "open"),
        ("s" * 10 + "f" * 9, "closed"),
        ("s" * 10 + "f" * 10, "open"),
        ("s" * 1000 + "f" * 9, "closed"),
        ("s" * 1000 + "f" * 10, "open"),
    ],
)
def test_it_opens_at_half_of_the_latest_calls_and_five_at_least(outcomes: str, state: str) -> None:
    breaker = CircuitBreaker("x", clock=Clock())

    called(breaker, outcomes)

    assert breaker.state == state


def test_calls_of_more_than_a_minute_ago_are_forgotten() -> None:
    clock = Clock()
    breaker = CircuitBreaker("x", clock=clock)
    called(breaker, "s" * 15 + "ffff")

    clock.now = 60.0
    called(breaker, "ffff")

    assert breaker.status() == {"name": "x", "state": "closed", "calls": 4, "failures": 4}


def test_an_open_breaker_says_its_name_and_calls_nobody() -> None:
    asked: list[str] = []
    breaker = opened(Clock())

    with pytest.raises(CircuitOpen) as refused:
        breaker.call(asked.append, "bars")

    assert str(refused.value) == "Circuit breaker 'x' is OPEN"
    assert isinstance(refused.value, SourceError)
    assert asked == []


def test_one_probe_is_let_through_and_its_answer_closes_the_circuit() -> None:
    clock = Clock()
    breaker = opened(clock)

    async def probe() -> None:
        answered = asyncio.Event()
        first = asyncio.create_task(breaker.call(answered.wait))
        await asyncio.sleep(0)
        for _ in range(3):
            with pytest.raises(CircuitOpen):
                breaker.call(good)
        answered.set()
        await first

    clock.now = 60.0
    assert breaker.state.value == "half_open"
    asyncio.run(probe())

    assert breaker.state.value == "closed"
    assert breaker.call(good) == "bars"


def test_a_failed_probe_opens_the_circuit_again() -> None:
    clock = Clock()
    breaker = opened(clock)

    clock.now = 61.0
    called(breaker, "f")
    clock.now = 120.0

    assert breaker.state.value == "open"
    clock.now = 121.0
    assert breaker.state.value == "half_open"


def test_a_probe_that_was_cancelled_leaves_the_next_call_to_be_one() -> None:
    clock = Clock()
    breaker = opened(clock)

    async def cancelled() -> None:
        probe = asyncio.create_task(breaker.call(asyncio.sleep, 60))
        await asyncio.sleep(0)
        probe.cancel()
        await asyncio.wait([probe])

    clock.now = 60.0
    asyncio.run(cancelled())

    assert breaker.state.value == "half_open"
    assert breaker.call(good) == "bars"
    assert breaker.state.value == "closed"


def test_async_failures_count() -> None:
    async def fail() -> None:
        await asyncio.sleep(0)
        bad()

    async def five(breaker: CircuitBreaker) -> None:
        for asked in (fail, lambda: fail(), fail, fail, fail):
            with pytest.raises(SourceUnavailable):
                await breaker.call(asked)

    breaker = CircuitBreaker("x")
    asyncio.run(five(breaker))

    assert breaker.state.value == "open"


def test_failures_of_many_threads_count_each() -> None:
    breaker = CircuitBreaker("x", failure_threshold=1.1, clock=Clock())

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: called(breaker, "f"), range(20)))

    assert breaker.status()["failures"] == 20


def test_what_a_vendor_refuses_neither_counts_nor_hides_what_fails() -> None:
    def refused() -> None:
        raise RequestRefused("x", "422")

    breaker = CircuitBreaker("x", counts=fails)
    called(breaker, "ffff")
    for _ in range(20):
        with pytest.raises(RequestRefused):
            breaker.call(refused)
    called(breaker, "f")

    assert breaker.state.value == "open"
