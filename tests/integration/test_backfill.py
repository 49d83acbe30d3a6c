"""A backfill against vendors that answer, fail, are empty, or do not reach: what is kept, what is asked again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from barhouse.api import vendor_side
from barhouse.api.sample import sample
from barhouse.config import Settings
from barhouse.errors import DatabaseUnavailable, NotEntitled, SourceUnavailable
from barhouse.flow.backfill import Outcome, backfill
from barhouse.flow.plan import Wanted, plan
from barhouse.flow.presence import slots
from barhouse.flow.standing import standings
from barhouse.model import Instrument, Series, Span, Timeframe
from barhouse.resilience.manager import guards
from barhouse.resilience.retry import Retry
from barhouse.sources import configured
from barhouse.sources.base import Source
from barhouse.sources.polygon import Polygon
from barhouse.sources.yahoo import Yahoo
from barhouse.store import coverage, instruments
from barhouse.store.coverage import State
from barhouse.store.postgres import Database
from tests.answers import kept, real
from tests.vendors import HTML, Reply, Request, Script, vendor

NOW = datetime(2026, 11, 1, tzinfo=UTC)
WHOLE = Span(datetime(2000, 3, 1, tzinfo=UTC), datetime(2013, 3, 2, tzinfo=UTC))
FIELDS = ("time", "open", "high", "low", "close", "volume")
QUICK = Retry(attempts=2, wait_initial=0.01, wait_jitter=0.0, window=0.01)


@pytest.fixture(scope="module")
def vendors() -> Iterator[str]:
    with vendor_side.served(vendor_side.create(sample())) as url:
        yield url


def at(vendors: str) -> dict[str, Source]:
    return configured(
        Settings.model_validate(
            {"polygon_api_key": "k", "polygon_calls_per_minute": 0, "polygon_url": vendors}
            | {"yahoo_url": vendors, "binance_url": vendors}
        )
    )


def brought(
    db: Database, sources: dict[str, Source], series: list[Series], span: Span = WHOLE, **how: Any
) -> list[Outcome]:
    async def run() -> list[Outcome]:
        try:
            pieces = plan(db, sources, [Wanted(one, span) for one in series], NOW, **how)
            return await backfill(db, pieces, now=NOW)
        finally:
            for source in sources.values():
                await source.close()

    return asyncio.run(run())


def stored(db: Database, series: Series) -> list[tuple[Any, ...]]:
    with db.connection() as connection:
        return connection.execute(
            "SELECT time, open, high, low, close, volume FROM bar WHERE instrument = %s ORDER BY time",
            [series.instrument.number],
        ).fetchall()


def test_the_whole_packaged_set_comes_as_it_is_and_a_second_run_asks_nobody(db: Database, vendors: str) -> None:
    every = [kept(db, instrument.symbol) for instrument in sample().instruments()]

    first = brought(db, at(vendors), every)
    second = brought(db, at(vendors), every)

    assert {str(one.series): one.inserted for one in first} == {
        "AAPL 1d": 3270,
        "FB 1d": 196,
        "GOOG 1d": 2148,
        "IBM 1d": 3270,
        "MSFT 1d": 3270,
    }
    assert second == []
    for series in every:
        assert stored(db, series) == real(series.instrument.symbol).select(FIELDS).rows()


def test_yahoo_gives_the_same_bars_as_traded_as_polygon(db: Database, vendors: str) -> None:
    aapl = kept(db, "AAPL")

    brought(db, {"yahoo": at(vendors)["yahoo"]}, [aapl])

    assert len(stored(db, aapl)) == 3270
    again = brought(db, {"polygon": at(vendors)["polygon"]}, [aapl], refresh=True)
    assert [(one.updated, one.unchanged) for one in again] == [(0, 3270)]


def test_splits_are_known_and_features_see_through_them(db: Database, vendors: str) -> None:
    aapl = kept(db, "AAPL")

    brought(db, at(vendors), [aapl])

    with db.connection() as connection:
        splits = connection.execute(
            "SELECT effective::text, ratio FROM corporate_action WHERE kind = 'split' ORDER BY 1"
        )
        assert splits.fetchall() == [("2000-06-21", 2.0), ("2005-02-28", 2.0)]
        [(change,)] = connection.execute(
            "SELECT return_1d FROM bar_feature WHERE instrument = %s AND time = '2005-02-28Z'", [aapl.instrument.number]
        ).fetchall()
    rows = {row[0].date().isoformat(): row[4] for row in stored(db, aapl)}
    assert change == pytest.approx(rows["2005-02-28"] / (rows["2005-02-25"] / 2) - 1)


def without_actions(vendors: str) -> Script:
    """A vendor whose plan has no corporate actions."""

    def script(request: Request) -> Reply:
        if request.path.startswith("/v3/reference"):
            return Reply(b'{"status":"NOT_AUTHORIZED","message":"Your plan does not include this."}', status=403)
        return Reply(httpx.get(vendors + request.target, headers={"authorization": "Bearer k"}).content)

    return script


def splits(db: Database) -> list[tuple[str, str]]:
    with db.connection() as connection:
        return connection.execute(
            "SELECT effective::text, name FROM corporate_action JOIN source ON code = source WHERE kind = 'split' "
            "ORDER BY 1"
        ).fetchall()


def test_splits_that_one_source_refuses_are_told_by_the_next(db: Database, vendors: str) -> None:
    aapl = kept(db, "AAPL")
    with vendor(without_actions(vendors)) as poor:
        polygon: Source = Polygon(poor.url, "k", guard=guards("polygon", QUICK))
        [outcome] = brought(db, {"polygon": polygon, "yahoo": at(vendors)["yahoo"]}, [aapl])

    assert outcome.inserted == 3270
    assert [type(error) for error in outcome.errors] == [NotEntitled]
    assert splits(db) == [("2000-06-21", "yahoo"), ("2005-02-28", "yahoo")]


def test_splits_that_nobody_told_are_asked_for_again_by_the_next_backfill(db: Database, vendors: str) -> None:
    aapl = kept(db, "AAPL")
    first_years = Span(WHOLE.start, datetime(2008, 1, 1, tzinfo=UTC))
    with vendor(without_actions(vendors)) as poor:
        brought(
            db,
            {"polygon": Polygon(poor.url, "k", guard=guards("polygon", QUICK))},
            [aapl],
            first_years,
        )
    assert splits(db) == []

    brought(db, {"polygon": at(vendors)["polygon"]}, [aapl])

    assert splits(db) == [("2000-06-21", "polygon"), ("2005-02-28", "polygon")]


def test_an_interrupted_backfill_goes_on_where_it_stopped(db: Database, vendors: str) -> None:
    aapl = kept(db, "AAPL")
    half = Span(WHOLE.start, datetime(2006, 1, 1, tzinfo=UTC))
    brought(db, at(vendors), [aapl], half)

    pieces = plan(db, at(vendors), [Wanted(aapl, WHOLE)], NOW)

    assert [piece.span for piece in pieces] == [Span(half.end, WHOLE.end)]
    assert sum(one.inserted for one in brought(db, at(vendors), [aapl])) == 3270 - len(
        [row for row in real("AAPL").rows() if row[0] < half.end]
    )


def test_a_failing_vendor_leaves_the_span_to_the_next_one(db: Database, vendors: str) -> None:
    aapl = kept(db, "AAPL")
    with vendor(Reply(HTML, status=500)) as broken:
        sources: dict[str, Source] = {
            "polygon": Polygon(broken.url, "k", guard=guards("polygon", QUICK)),
            "yahoo": at(vendors)["yahoo"],
        }
        [outcome] = brought(db, sources, [aapl])

    assert (outcome.inserted, outcome.missing) == (3270, [])
    assert isinstance(outcome.errors[0], SourceUnavailable)
    with db.connection() as connection:
        told = coverage.of_series(connection, aapl)
    assert [stretch.state for stretch in told["polygon"]] == [State.FAILED]
    assert [stretch.state for stretch in told["yahoo"]] == [State.FETCHED]


def test_a_vendor_whose_circuit_is_open_is_passed_over_and_coverage_says_so(db: Database, vendors: str) -> None:
    every = [kept(db, symbol) for symbol in ("AAPL", "GOOG", "IBM", "MSFT")]
    with vendor(Reply(HTML, status=500)) as broken:
        sources: dict[str, Source] = {
            "polygon": Polygon(broken.url, "k", guard=guards("polygon", QUICK)),
            "yahoo": at(vendors)["yahoo"],
        }
        brought(db, sources, every[:3])
        asked = broken.calls
        [last] = brought(db, sources, every[3:])

    assert broken.calls == asked <= 6
    assert [str(error) for error in last.errors] == ["Circuit breaker 'polygon' is OPEN"]
    assert (last.inserted, last.missing) == (3270, [])
    with db.connection() as connection:
        told = coverage.of_series(connection, every[3])
        reasons = connection.execute(
            "SELECT error_details FROM enrichment_fetch_log WHERE symbol = 'MSFT' AND NOT success"
        ).fetchall()
    assert [stretch.state for stretch in told["polygon"]] == [State.FAILED]
    assert reasons == [("Circuit breaker 'polygon' is OPEN",)]
    assert all(stored(db, series) == real(series.instrument.symbol).select(FIELDS).rows() for series in every)


def test_what_nobody_could_read_is_missing_and_asked_for_again(db: Database, vendors: str) -> None:
    aapl = kept(db, "AAPL")
    refusal = Reply(
        b'{"status":"NOT_AUTHORIZED","message":"Your plan doesn\'t include this data timeframe."}', status=403
    )
    with vendor(refusal) as closed:
        sources: dict[str, Source] = {"polygon": Polygon(closed.url, "k", guard=guards("polygon", QUICK))}
        [outcome] = brought(db, sources, [aapl])

    assert outcome.missing == [WHOLE]
    assert [type(error) for error in outcome.errors] == [NotEntitled]
    assert stored(db, aapl) == []
    assert [one.inserted for one in brought(db, at(vendors), [aapl])] == [3270]


def test_that_another_has_nothing_does_not_say_that_there_was_nothing_at_a_vendor_that_was_away(
    db: Database, vendors: str
) -> None:
    facebook, before = kept(db, "FB"), Span(datetime(2005, 1, 3, tzinfo=UTC), datetime(2005, 2, 1, tzinfo=UTC))
    refusal = Reply(b'{"status":"NOT_AUTHORIZED","message":"Your plan does not include it."}', status=403)
    missing, failed, days = [], [], []
    for answer in (Reply(HTML, status=500), refusal):
        with vendor(answer) as broken:
            sources: dict[str, Source] = {
                "polygon": Polygon(broken.url, "k", guard=guards("polygon", QUICK)),
                "yahoo": at(vendors)["yahoo"],
            }
            missing += [outcome.missing for outcome in brought(db, sources, [facebook], before, refresh=True)]
        failed += [standing.failed for standing in standings(db, NOW)]
        days.append(set(slots(db, facebook, before, NOW)["state"]))

    assert missing == failed == [[before], []]
    assert days == [{"failed"}, {"vendor_empty"}]


def test_what_a_source_does_not_reach_is_told_once_and_not_asked_again(db: Database, vendors: str) -> None:
    series = kept(db, "AAPL", Timeframe.M1)
    only = {"yahoo": at(vendors)["yahoo"]}

    [outcome] = brought(db, only, [series])

    assert (outcome.inserted, outcome.missing, outcome.errors) == (0, [], [])
    assert plan(db, only, [Wanted(series, WHOLE)], NOW) == []
    with db.connection() as connection:
        told = coverage.of_series(connection, series)
    assert [stretch.state for stretch in told["yahoo"]] == [State.UNREACHABLE]


def test_an_empty_span_is_asked_again_only_after_days(db: Database, vendors: str) -> None:
    series = kept(db, "FB")
    before = Span(datetime(2005, 1, 3, tzinfo=UTC), datetime(2005, 2, 1, tzinfo=UTC))

    brought(db, at(vendors), [series], before)

    assert plan(db, at(vendors), [Wanted(series, before)], NOW + timedelta(days=1)) == []
    assert plan(db, at(vendors), [Wanted(series, before)], NOW + timedelta(days=3)) != []


def test_a_database_that_goes_away_ends_the_backfill_with_its_own_error(db: Database, vendors: str) -> None:
    aapl = kept(db, "AAPL")
    sources = at(vendors)
    pieces = plan(db, sources, [Wanted(aapl, WHOLE)], NOW)
    away = Database("postgresql://nobody@127.0.0.1:1/none", timeout=0.2)

    with pytest.raises(DatabaseUnavailable):
        asyncio.run(backfill(away, pieces, now=NOW))


def test_an_unknown_symbol_is_missing_bars_not_an_empty_market(db: Database, vendors: str) -> None:
    with db.transaction() as connection:
        series = instruments.add_series(connection, Series(Instrument("NOSUCH"), Timeframe.D1))

    [outcome] = brought(db, at(vendors), [series])

    with db.connection() as connection:
        told = coverage.of_series(connection, series)
    assert {name: [stretch.state for stretch in stretches] for name, stretches in told.items()} == {
        "polygon": [State.EMPTY],
        "yahoo": [State.UNKNOWN],
    }
    assert outcome.inserted == 0


def test_the_sources_are_closed_and_named() -> None:
    sources = at("http://127.0.0.1:1")

    assert set(sources) == {"polygon", "yahoo", "binance"}
    assert isinstance(sources["yahoo"], Yahoo)
