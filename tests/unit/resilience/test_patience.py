"""How patient we are with a vendor."""

from __future__ import annotations

import asyncio
import time
from itertools import pairwise

import pytest

from barhouse.errors import (
    NotEntitled,
    RateLimited,
    RequestRefused,
    SourceError,
    SourceUnavailable,
    Unauthorized,
    UnknownAtSource,
    UnreadableAnswer,
)
from barhouse.resilience.pace import Pace
from barhouse.resilience.retry import Retry


@pytest.mark.parametrize("kind", [SourceUnavailable, UnreadableAnswer])
def test_what_passes_by_itself_is_asked_again(kind: type[SourceError]) -> None:
    assert Retry().wait(kind("x", "y")) is True


@pytest.mark.parametrize("kind", [Unauthorized, NotEntitled, UnknownAtSource, RequestRefused])
def test_what_the_vendor_refuses_is_not_asked_again(kind: type[SourceError]) -> None:
    assert Retry().wait(kind("x", "y")) is False


@pytest.mark.parametrize(("told", "waited"), [(None, 61.0), (0.0, 0.0), (7.5, 7.5), (300.0, 300.0), (300.1, False)])
def test_the_vendor_rules_how_long_to_wait_up_to_a_ceiling(told: float | None, waited: float | bool) -> None:
    wait = Retry().wait(RateLimited("x", "y", told))

    assert wait == waited
    assert isinstance(wait, bool) == isinstance(waited, bool)


def test_waits_double_and_end_with_the_last_attempt() -> None:
    began: list[float] = []

    async def fail() -> None:
        began.append(time.monotonic())
        raise SourceUnavailable("x", "y")

    with pytest.raises(SourceUnavailable):
        asyncio.run(Retry(attempts=4, wait_initial=0.1, wait_jitter=0.0).execute_async(fail))

    waits = [later - earlier for earlier, later in pairwise(began)]
    assert len(began) == 4
    assert all(wait >= least for wait, least in zip(waits, (0.1, 0.2, 0.4), strict=True))


def test_no_window_of_a_plan_holds_more_calls_than_it_allows() -> None:
    async def calls(pace: Pace) -> list[float]:
        left: list[float] = []

        async def call() -> None:
            await pace.turn()
            left.append(time.monotonic())

        await asyncio.gather(*(call() for _ in range(9)))
        return left

    left = asyncio.run(calls(Pace(3, window=0.3)))

    assert all(later - earlier >= 0.29 for earlier, later in zip(left, left[3:], strict=False))


def test_a_plan_without_a_limit_never_waits() -> None:
    async def many(pace: Pace) -> None:
        for _ in range(10_000):
            await pace.turn()

    began = time.monotonic()
    asyncio.run(many(Pace(0)))

    assert time.monotonic() - began < 5


def test_a_vendor_that_asked_for_quiet_hears_nothing() -> None:
    async def held(pace: Pace) -> float:
        await pace.hold(0.2)
        began = time.monotonic()
        await pace.turn()
        return time.monotonic() - began

    assert asyncio.run(held(Pace(0))) >= 0.19
