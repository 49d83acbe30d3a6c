"""A backfill under whatever fault script: the vendors' bars, or a word on what is missing; after it, all of them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from barhouse.api import vendor_side
from barhouse.flow.backfill import Outcome, backfill
from barhouse.flow.plan import Wanted, plan
from barhouse.model import Series, Span
from barhouse.resilience.manager import guards
from barhouse.resilience.retry import Retry
from barhouse.sources.base import Source
from barhouse.sources.binance import Binance
from barhouse.sources.polygon import Polygon
from barhouse.sources.yahoo import Yahoo
from barhouse.store import coverage, instruments
from barhouse.store.coverage import State, Stretch
from barhouse.store.postgres import Database
from tests.integration.vendors_market import NOW, Bar, Sold, shelf, sold
from tests.servers import Server

QUICK = Retry(attempts=3, wait_initial=0.002, wait_jitter=0.0, ceiling=0.05, window=0.005)
PATIENCE, CALM = 0.3, 20.0
"""Seconds for an answer: under random scripts so few that a trickle may be too slow, else enough for a busy machine."""

LATER = NOW + timedelta(days=3)
"""When spans that were said to be empty are asked for again."""

SCRIPTS = int(os.environ.get("FAULT_SCRIPTS", "12"))
"""Random scripts that are tried."""

PAGE = 2_000
"""Polygon's page, so that there are some."""


@pytest.fixture(scope="module")
def vendors() -> Iterator[str]:
    with vendor_side.served(vendor_side.create(shelf(), most=PAGE)) as url:
        yield url


def at(url: str, now: datetime, patience: float = CALM) -> dict[str, Source]:
    """All sources at the vendor side, at that hour, which are waited for so long."""

    def clock() -> datetime:
        return now

    every: list[Source] = [
        Polygon(url, "k", guard=guards("polygon", QUICK), timeout=patience, clock=clock),
        Yahoo(url, guard=guards("yahoo", QUICK), timeout=patience, clock=clock),
        Binance(url, guard=guards("binance", QUICK), timeout=patience, clock=clock),
    ]
    return {source.name: source for source in every}


@dataclass(frozen=True, slots=True)
class Warehouse:
    """A warehouse that is fed by the vendor side."""

    db: Database
    vendors: str
    wanted: list[Wanted]

    @classmethod
    def of(cls, db: Database, vendors: str, every: Sequence[Sold]) -> Warehouse:
        with db.transaction() as connection:
            wanted = [Wanted(instruments.add_series(connection, one.series), one.span) for one in every]
        return cls(db, vendors, wanted)

    def backfill(self, faults: str, now: datetime, *, refresh: bool = False, patience: float = CALM) -> list[Outcome]:
        """Backfill everything while the vendors follow a script."""
        told = httpx.put(f"{self.vendors}/vendor-side/faults", content=faults, trust_env=False)
        assert told.status_code == 204, told.text
        return asyncio.run(self._backfill(now, at(self.vendors, now, patience), refresh=refresh))

    async def _backfill(self, now: datetime, sources: Mapping[str, Source], *, refresh: bool) -> list[Outcome]:
        try:
            return await backfill(self.db, plan(self.db, sources, self.wanted, now, refresh=refresh), now=now)
        finally:
            for source in sources.values():
                await source.close()

    def stored(self, series: Series) -> list[Bar]:
        """The settled bars of a series, oldest first."""
        with self.db.connection() as connection:
            return connection.execute(
                "SELECT time, open, high, low, close, volume FROM bar WHERE instrument = %s AND timeframe = %s "
                "AND NOT forming ORDER BY time",
                [series.instrument.key, series.timeframe.code],
            ).fetchall()

    def told(self, series: Series) -> dict[str, list[Stretch]]:
        """The coverage of a series."""
        with self.db.connection() as connection:
            return coverage.of_series(connection, series)

    def corrections(self, series: Series) -> list[tuple[datetime, str]]:
        """What was restated."""
        with self.db.connection() as connection:
            return connection.execute(
                'SELECT "timestamp", field_corrected FROM data_corrections WHERE symbol = %s AND reason = '
                "'source_updated' ORDER BY 1, 2",
                [series.instrument.symbol],
            ).fetchall()

    def quarantined(self) -> set[str]:
        """Why rows were set aside."""
        with self.db.connection() as connection:
            return {reason for (reason,) in connection.execute("SELECT DISTINCT reason FROM quarantine")}


def unaccounted(missing: Sequence[datetime], told: dict[str, list[Stretch]]) -> list[datetime]:
    """The bars that are missing though a source was read for them, or though nobody was asked."""
    read = [stretch.span for every in told.values() for stretch in every if stretch.state is State.FETCHED]
    open_ = [stretch.span for every in told.values() for stretch in every if stretch.state is not State.FETCHED]
    return [time for time in missing if _within(time, read) or not _within(time, open_)]


def _within(time: datetime, spans: Sequence[Span]) -> bool:
    return any(time in span for span in spans)


WHOSE = ["", "polygon", "yahoo", "binance"]
WHERE = ["", "", "", "path=interval=1d", "path=aggs", "path=reference", "path=BTC", "path=AAPL", "path=cursor"]
TIMES = [
    "",
    "last=1",
    "first=2 last=4",
    "every=2",
    "every=3 chance=0.7",
    "last=1 each=yes",
    "last=2 each=yes",
    "chance=0.1",
    "chance=0.3",
    "chance=0.5",
    "chance=0.9",
]
KINDS = [
    "latency seconds=0.01",
    "latency seconds=0.4",
    "trickle seconds=0.02 pieces=3",
    "limited",
    "limited retry_after=0.01",
    "limited retry_after=0",
    "limited retry_after=2 date=yes",
    "limited retry_after=1000",
    "banned retry_after=0.01",
    "banned",
    "error",
    "error status=500",
    "reset",
    "reset after=0",
    "reset after=0.6",
    "cut after=0",
    "cut after=0.97",
    "html",
    "html status=502",
    "truncated after=0",
    "truncated after=0.5",
    "truncated after=0.99",
    "empty",
    "duplicates share=0.3",
    "duplicates share=0.1 by=-0.02",
    "duplicates share=0.5 by=0",
    "skewed seconds=-7200",
    "skewed seconds=86400",
    "skewed seconds=864000",
]

rules = st.tuples(*map(st.sampled_from, (WHOSE, KINDS, WHERE, TIMES))).map(" ".join)
scripts = st.tuples(st.lists(rules, min_size=1, max_size=4), st.integers(0, 99)).map(
    lambda told: "; ".join([*told[0], f"seed={told[1]}"])
)


def same(stored: Sequence[Bar], sold_: Sequence[Bar]) -> None:
    """Each bar once and as it was sold; Yahoo tells a coin's prices in single precision."""
    assert [bar[0] for bar in stored] == [bar[0] for bar in sold_]
    assert [bar[1:] for bar in stored] == [pytest.approx(bar[1:], rel=1e-6) for bar in sold_]


def holds(server: Server, vendors: str, script: str) -> None:
    """Backfill under a script and without it, and look what is stored and what is told after each."""
    with server.database() as url, Database(url) as db:
        warehouse = Warehouse.of(db, vendors, sold())
        outcomes = {str(one.series): one for one in warehouse.backfill(script, NOW, patience=PATIENCE)}

        for want, one in zip(warehouse.wanted, sold(), strict=True):
            stored, told = warehouse.stored(want.series), warehouse.told(want.series)
            there = {bar[0] for bar in stored}
            same(stored, [bar for bar in one.bars if bar[0] in there])
            missing = [bar[0] for bar in one.bars if bar[0] not in there]
            assert unaccounted(missing, told) == []
            assert "empty" in script or all(_within(time, outcomes[str(one.series)].missing) for time in missing)

        warehouse.backfill("", LATER)
        for want, one in zip(warehouse.wanted, sold(), strict=True):
            same(warehouse.stored(want.series), one.bars)
        assert plan(db, at(vendors, LATER), warehouse.wanted, LATER) == []


@settings(
    max_examples=SCRIPTS,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow],
)
@given(script=scripts)
def test_under_any_script_nothing_is_wrong_or_double_and_what_is_missing_is_told(
    server: Server, vendors: str, script: str
) -> None:
    holds(server, vendors, script)


@pytest.fixture
def warehouse(db: Database, vendors: str) -> Warehouse:
    """One that is still empty."""
    return Warehouse.of(db, vendors, sold())


def test_a_late_restatement_ends_as_a_correction(warehouse: Warehouse) -> None:
    warehouse.backfill("restated share=0.2 by=0.02", NOW)
    early = {want.series: warehouse.stored(want.series) for want in warehouse.wanted}

    warehouse.backfill("", NOW, refresh=True)

    for want, one in zip(warehouse.wanted, sold(), strict=True):
        same(warehouse.stored(want.series), one.bars)
        restated = [old[0] for old, bar in zip(early[want.series], one.bars, strict=True) if old != bar]
        assert 0 < len(restated) < len(one.bars)
        assert {time for time, _ in warehouse.corrections(want.series)} == set(restated)


def answers(warehouse: Warehouse, symbol: str) -> list[tuple[str, float, str | None, float | None, int]]:
    """What the log of fetches tells of a symbol: source, score, beside whose, how good that, bars kept."""
    with warehouse.db.connection() as connection:
        return connection.execute(
            "SELECT source, quality_score, compared_with, compared_score, records_inserted FROM enrichment_fetch_log "
            "WHERE symbol = %s AND success ORDER BY id",
            [symbol],
        ).fetchall()


def test_a_poor_answer_gives_way_whole_to_a_better_one_of_the_next_source(warehouse: Warehouse) -> None:
    warehouse.backfill("polygon blank share=0.5; binance blank share=0.5", NOW)

    for want, one in zip(warehouse.wanted, sold(), strict=True):
        same(warehouse.stored(want.series), one.bars)
    ours, theirs = answers(warehouse, "AAPL")
    assert (ours[0], ours[2:]) == ("polygon", ("yahoo", 1.0, 0))
    assert theirs == ("yahoo", 1.0, "polygon", ours[1], len(sold()[0].bars))
    assert 0.3 < ours[1] < 0.6
    assert warehouse.quarantined() == set()
    assert plan(warehouse.db, at(warehouse.vendors, LATER), warehouse.wanted, LATER) == []


def test_an_answer_with_few_faults_is_compared_with_nobodys(warehouse: Warehouse) -> None:
    before = calls(warehouse, "yahoo")
    [days, *_] = warehouse.wanted

    replace(warehouse, wanted=[days]).backfill("polygon blank share=0.02", NOW)

    assert calls(warehouse, "yahoo") == before
    [(source, score, other, other_score, _)] = answers(warehouse, "AAPL")
    assert (source, other, other_score) == ("polygon", None, None)
    assert 0.85 <= score < 1.0
    assert warehouse.quarantined() == {"missing_field"}


def test_a_poor_answer_is_kept_where_the_next_one_is_hardly_better(warehouse: Warehouse) -> None:
    warehouse.backfill("polygon blank share=0.3; yahoo blank share=0.6", NOW)

    stored = {bar[0] for bar in warehouse.stored(warehouse.wanted[0].series)}
    theirs, ours = answers(warehouse, "AAPL")
    assert (theirs[0], theirs[2], theirs[4]) == ("yahoo", "polygon", 0)
    assert (ours[0], ours[2], ours[3], ours[4]) == ("polygon", "yahoo", theirs[1], len(stored))
    assert theirs[1] <= ours[1] + 0.05


def test_another_source_restates_no_bar_of_an_earlier_one_and_that_one_takes_its_own_back(warehouse: Warehouse) -> None:
    [days, *_] = warehouse.wanted
    inside = replace(warehouse, wanted=[replace(days, span=Span(days.span.start, datetime(2005, 2, 1, tzinfo=UTC)))])
    inside.backfill("polygon restated share=1 by=0.02", NOW)
    early = inside.stored(days.series)

    warehouse.backfill("polygon blank share=0.9", NOW, refresh=True)

    mixed = warehouse.stored(days.series)
    assert mixed[: len(early)] == early
    same(mixed[len(early) :], sold()[0].bars[len(early) :])
    assert by_source(warehouse, days.series) == [("polygon", len(early)), ("yahoo", len(mixed) - len(early))]
    warehouse.backfill("", NOW, refresh=True)
    same(warehouse.stored(days.series), sold()[0].bars)


def by_source(warehouse: Warehouse, series: Series) -> list[tuple[str, int]]:
    """How many bars of a series are whose."""
    with warehouse.db.connection() as connection:
        return connection.execute(
            "SELECT name, count(*) FROM bar JOIN source ON code = source WHERE instrument = %s GROUP BY 1 ORDER BY 1",
            [series.instrument.key],
        ).fetchall()


def calls(warehouse: Warehouse, vendor: str) -> int:
    """How often a vendor was asked, as it counts itself."""
    told: int = httpx.get(f"{warehouse.vendors}/vendor-side/calls", trust_env=False).json()[vendor]
    return told


def test_an_empty_page_where_bars_are_due_goes_to_the_next_source(warehouse: Warehouse) -> None:
    outcomes = warehouse.backfill("polygon empty; binance empty", NOW)

    for want, one in zip(warehouse.wanted, sold(), strict=True):
        first, *_, last = warehouse.told(want.series).values()
        assert {stretch.state for stretch in first} == {State.EMPTY}
        assert {stretch.state for stretch in last} == {State.FETCHED}
        same(warehouse.stored(want.series), one.bars)
    assert [outcome.missing for outcome in outcomes] == [[], [], []]


def test_an_empty_page_in_the_middle_of_an_answer_hides_no_bars(warehouse: Warehouse) -> None:
    warehouse.backfill("binance empty first=2; polygon empty path=cursor", NOW)

    for want, one in zip(warehouse.wanted, sold(), strict=True):
        same(warehouse.stored(want.series), one.bars)


def test_of_two_versions_in_one_answer_the_first_is_quarantined(warehouse: Warehouse) -> None:
    warehouse.backfill("duplicates share=0.2 by=0.02", NOW)

    for want, one in zip(warehouse.wanted, sold(), strict=True):
        same(warehouse.stored(want.series), one.bars)
        assert warehouse.corrections(want.series) == []
    assert warehouse.quarantined() == {"duplicate"}


def test_equal_rows_count_once(warehouse: Warehouse) -> None:
    outcomes = warehouse.backfill("duplicates share=0.5 by=0", NOW)

    assert [(one.inserted, one.quarantined) for one in outcomes] == [(len(each.bars), 0) for each in sold()]


def test_whatever_a_vendors_clock_says_a_forming_bar_is_not_settled(warehouse: Warehouse) -> None:
    [days, *_] = warehouse.wanted
    early = datetime(2005, 4, 29, 15, tzinfo=UTC)
    inside = replace(warehouse, wanted=[days])

    inside.backfill("skewed seconds=864000", early)

    settled = [bar for bar in sold()[0].bars if bar[0] < datetime(2005, 4, 29, tzinfo=UTC)]
    same(inside.stored(days.series), settled)
    inside.backfill("", LATER)
    same(inside.stored(days.series), sold()[0].bars)
    assert inside.corrections(days.series) == []


def test_a_source_that_turns_us_away_for_long_leaves_the_spans_failed_and_the_next_run_completes_them(
    warehouse: Warehouse,
) -> None:
    outcomes = warehouse.backfill("limited retry_after=1000", NOW)

    assert [outcome.missing for outcome in outcomes] == [[one.span] for one in sold()]
    assert [outcome.inserted for outcome in outcomes] == [0, 0, 0]
    warehouse.backfill("", NOW)
    for want, one in zip(warehouse.wanted, sold(), strict=True):
        same(warehouse.stored(want.series), one.bars)
