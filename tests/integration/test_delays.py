"""When a bar is due: at its close plus what its own source takes to have one, as the settings say."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from barhouse.api import vendor_side
from barhouse.api.sample import sample
from barhouse.config import Settings
from barhouse.flow.freshness import aged
from barhouse.flow.lateness import late
from barhouse.flow.plan import Wanted
from barhouse.flow.run import bring
from barhouse.flow.standing import standings
from barhouse.model import Series, Span
from barhouse.sources import configured
from barhouse.store import freshness
from barhouse.store.postgres import Database
from tests.answers import kept

SPAN = Span(datetime(2012, 1, 1, tzinfo=UTC), datetime(2012, 6, 2, tzinfo=UTC))
"""To the end of a Friday: the next bar closes on Monday, 4 June, at 20:00Z."""

CLOSE = datetime(2012, 6, 4, 20, tzinfo=UTC)


@pytest.fixture(scope="module")
def vendors() -> Iterator[str]:
    with vendor_side.served(vendor_side.create(sample())) as url:
        yield url


def brought(db: Database, url: str, source: str, *, end_of_day: bool) -> Series:
    """A series as one source gives it, under a plan."""
    series = kept(db, "IBM")
    told = {"polygon_api_key": "k", "polygon_calls_per_minute": 0, "polygon_url": url, "yahoo_url": url}
    every = configured(Settings.model_validate(told | {"polygon_end_of_day": end_of_day}))

    async def run() -> None:
        await bring(db, {source: every[source]}, [Wanted(series, SPAN)], now=SPAN.end)
        for each in every.values():
            await each.close()

    asyncio.run(run())
    return series


def overdue(db: Database, now: datetime) -> list[float]:
    return [each.overdue for each in late(db, now)]


@pytest.mark.parametrize(
    ("source", "end_of_day", "delay"),
    [
        ("polygon", False, timedelta(minutes=15)),
        ("polygon", True, timedelta(hours=4)),
        ("yahoo", True, timedelta(minutes=15)),
    ],
)
def test_a_bar_is_overdue_from_its_close_and_the_delay_of_its_source_on(
    db: Database, vendors: str, source: str, end_of_day: bool, delay: timedelta
) -> None:
    brought(db, vendors, source, end_of_day=end_of_day)

    assert overdue(db, CLOSE + delay - timedelta(seconds=1)) == []
    assert overdue(db, CLOSE + delay + timedelta(seconds=60)) == [60.0]


def test_a_bar_is_missing_from_its_close_and_the_delay_of_its_source_on(db: Database, vendors: str) -> None:
    brought(db, vendors, "polygon", end_of_day=True)
    with db.transaction() as connection:
        connection.execute("UPDATE series SET tracked = true, since = '2012-01-01Z'")

    [early] = standings(db, CLOSE + timedelta(hours=4, seconds=-1))
    [due] = standings(db, CLOSE + timedelta(hours=4))

    assert early.unread == []
    assert [span.end for span in due.unread] == [CLOSE + timedelta(hours=4)]


def test_features_age_only_from_when_the_source_has_the_next_bar(db: Database, vendors: str) -> None:
    brought(db, vendors, "polygon", end_of_day=True)

    with db.connection() as connection:
        [watched] = freshness.watched(connection)
    assert watched.delay == timedelta(hours=4)
    by_the_bars = replace(watched, staleness=None, at=None)
    [(_, due)] = aged(db, [by_the_bars], CLOSE + timedelta(hours=4))
    [(_, later)] = aged(db, [by_the_bars], CLOSE + timedelta(hours=4, minutes=30))
    assert (due, later) == (0.0, 1800.0)
