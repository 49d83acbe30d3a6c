"""Splits and dividends: two vendors make one series, prices decide between them, what was known once stays known."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from barhouse.api import vendor_side
from barhouse.api.compat.frames import FrameShelf
from barhouse.config import Settings
from barhouse.flow import actions, reads, sessions
from barhouse.flow.actions import learn
from barhouse.flow.backfill import backfill
from barhouse.flow.correct import correct
from barhouse.flow.ingest import Batch, keep
from barhouse.flow.plan import Wanted, plan
from barhouse.model import ACTIONS, Adjust, AssetClass, Series, Span, Timeframe
from barhouse.sources import configured
from barhouse.store import actions as stored_actions
from barhouse.store.postgres import Database
from barhouse.store.reading import Selection
from tests.answers import answer, kept

SPLIT = date(2020, 8, 31)
TRADED = [
    ("2020-08-03", 432.80, 446.55, 431.57, 435.75, 77037847.0),
    ("2020-08-04", 436.53, 443.16, 433.55, 438.66, 43267887.0),
    ("2020-08-05", 437.51, 441.57, 435.59, 440.25, 30498044.0),
    ("2020-08-06", 441.62, 457.65, 439.19, 455.61, 50607225.0),
    ("2020-08-07", 452.82, 454.70, 441.17, 444.45, 49511403.0),
    ("2020-08-10", 450.40, 455.10, 440.00, 450.91, 53100856.0),
    ("2020-08-11", 447.88, 449.93, 436.43, 437.50, 46975594.0),
    ("2020-08-12", 441.99, 453.10, 441.19, 452.04, 41486205.0),
    ("2020-08-13", 457.72, 464.17, 455.71, 460.04, 52520516.0),
    ("2020-08-14", 459.32, 460.00, 452.18, 459.63, 41391302.0),
    ("2020-08-17", 464.25, 464.35, 455.85, 458.43, 29890684.0),
    ("2020-08-18", 457.41, 464.00, 456.03, 462.25, 26408385.0),
    ("2020-08-19", 463.93, 468.65, 462.44, 462.83, 36384502.0),
    ("2020-08-20", 463.00, 473.57, 462.93, 473.10, 31726797.0),
    ("2020-08-21", 477.05, 499.47, 477.00, 497.48, 84513660.0),
    ("2020-08-24", 514.79, 515.14, 495.75, 503.43, 86484442.0),
    ("2020-08-25", 498.79, 500.72, 492.21, 499.30, 52873947.0),
    ("2020-08-26", 504.72, 507.97, 500.33, 506.09, 40755567.0),
    ("2020-08-27", 508.57, 509.94, 495.33, 500.04, 38888096.0),
    ("2020-08-28", 504.05, 505.77, 498.31, 499.23, 46907479.0),
    ("2020-08-31", 127.58, 131.00, 126.00, 129.04, 225702688.0),
    ("2020-09-01", 132.76, 134.80, 130.53, 134.18, 152470142.0),
    ("2020-09-02", 137.59, 137.98, 127.00, 131.40, 200118991.0),
    ("2020-09-03", 126.91, 128.84, 120.50, 120.88, 257599640.0),
    ("2020-09-04", 120.07, 123.70, 110.89, 120.96, 332607163.0),
]
"""AAPL as it was traded across its 4:1 of 31 August 2020."""
NAMES = ["time", "open", "high", "low", "close", "volume"]
ROWS = pl.DataFrame(TRADED, schema=NAMES, orient="row").with_columns(
    pl.col("time").str.to_datetime("%Y-%m-%d", time_unit="us", time_zone="UTC")
)
PAID = pl.DataFrame({"effective": [date(2020, 8, 7)], "amount": [0.82]})
"""A dividend before the split, in the shares of its day; afterwards Yahoo tells 0.205."""


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


WHOLE = Span(day("2020-08-01"), day("2020-09-05"))


@contextmanager
def vendors(*, told: bool = True) -> Iterator[Settings]:
    """Polygon's and Yahoo's side of that time; before the split was `told` nobody knows of it."""
    splits = pl.DataFrame({"effective": [SPLIT], "ratio": [4.0]}).head(1 if told else 0)
    both = ("AAPL", "WHOLE")
    shelf = FrameShelf(
        {(symbol, AssetClass.STOCK, Timeframe.D1): ROWS for symbol in both},
        splits=dict.fromkeys(both, splits),
        dividends=dict.fromkeys(both, PAID),
    )
    with vendor_side.served(vendor_side.create(shelf)) as url:
        yield Settings.model_validate(
            {"polygon_api_key": "k", "polygon_calls_per_minute": 0, "polygon_url": url}
            | {"yahoo_url": url, "binance_url": url}
        )


def bring(db: Database, hosts: Settings, source: str, series: Series, span: Span, now: datetime) -> None:
    async def run() -> None:
        sources = configured(hosts)
        try:
            only = {source: sources[source]}
            await backfill(db, plan(db, only, [Wanted(series, span)], now), now=now)
        finally:
            for each in sources.values():
                await each.close()

    asyncio.run(run())


def asked(db: Database, statement: str) -> list[tuple[Any, ...]]:
    with db.connection() as connection:
        return connection.execute(statement.encode()).fetchall()


def told(*splits: tuple[float, date], dividends: tuple[tuple[float, date], ...] = ()) -> pl.DataFrame:
    rows: list[tuple[Any, ...]] = [("split", when, ratio, None, None) for ratio, when in splits]
    rows += [("dividend", when, None, amount, "USD") for amount, when in dividends]
    return pl.DataFrame(rows, schema=ACTIONS, orient="row")


def keep_days(db: Database, series: Series, rows: pl.DataFrame, source: str = "polygon") -> None:
    keep(db, Batch([answer(series, rows, source=source)], sessions.calendar(db, "XNYS")))


def applied(db: Database, series: Series, as_of: datetime | None = None) -> list[tuple[date, float]]:
    with db.connection() as connection:
        splits = stored_actions.splits(connection, [series.instrument.number], as_of)
    return splits.select("effective", "ratio").rows()


def standings(db: Database) -> list[tuple[Any, ...]]:
    _, rows = actions.corporate_actions(db, "AAPL")
    return [(row["source"], row["ratio"] or row["amount"], row["standing"], row["evidence"]["by"]) for row in rows]


def moment(db: Database) -> datetime:
    """Now, by the clock of the database."""
    [(now,)] = asked(db, "SELECT clock_timestamp()")
    return now  # type: ignore[no-any-return]


@pytest.fixture
def aapl(db: Database) -> Series:
    return kept(db, "AAPL")


@pytest.mark.parametrize("first", ["polygon", "yahoo"])
@pytest.mark.parametrize("cut", ["2020-08-12", "2020-08-29", "2020-09-02"])
def test_a_series_filled_from_two_vendors_is_one_across_a_split(
    db: Database, aapl: Series, first: str, cut: str
) -> None:
    second = "yahoo" if first == "polygon" else "polygon"

    with vendors() as hosts:
        bring(db, hosts, first, aapl, Span(WHOLE.start, day(cut)), day("2026-11-01"))
        bring(db, hosts, second, aapl, Span(day(cut), WHOLE.end), day("2026-11-01"))

    assert db.frame(b"SELECT time, open, high, low, close, volume FROM bar ORDER BY time").rows() == ROWS.rows()
    assert asked(db, "SELECT count(DISTINCT source) FROM bar") == [(2,)]
    assert applied(db, aapl) == [(SPLIT, 4.0)]
    assert asked(db, "SELECT time FROM bar WHERE flags LIKE '%open_jump%'") == []
    [(change,)] = asked(db, "SELECT return_1d FROM bar_feature WHERE time = '2020-08-31Z'")
    assert change == pytest.approx(129.04 / (499.23 / 4) - 1)
    closes = reads.bars(db, Selection(aapl, adjust=Adjust.SPLITS))["close"]
    assert (closes / closes.shift(1) - 1).abs().max() < 0.09  # type: ignore[operator]
    assert closes[0] == 435.75 / 4
    paid = asked(db, "SELECT DISTINCT amount FROM corporate_action WHERE kind = 'dividend'")
    assert paid == [(0.82,)]


def test_a_split_of_last_week_is_learnt_by_the_next_run_and_explains_the_bars_there(db: Database, aapl: Series) -> None:
    with vendors(told=False) as hosts:
        bring(db, hosts, "polygon", aapl, Span(WHOLE.start, day("2020-09-03")), day("2020-09-03"))
    before = asked(db, VERDICTS.format("AAPL"))
    assert ("open_jump,unusual_volume", True) in [(flags, score < 1) for _, flags, score, _ in before]

    with vendors() as hosts:
        bring(db, hosts, "polygon", aapl, WHOLE, day("2020-09-05"))
        bring(db, hosts, "polygon", kept(db, "WHOLE"), WHOLE, day("2020-09-05"))

    assert applied(db, aapl) == [(SPLIT, 4.0)]
    assert asked(db, "SELECT count(*) FROM data_corrections") == [(0,)]
    assert [flags for _, flags, _, _ in asked(db, VERDICTS.format("AAPL"))] == [None] * ROWS.height
    assert asked(db, VERDICTS.format("AAPL")) == asked(db, VERDICTS.format("WHOLE"))
    assert asked(db, ALL_FEATURES.format("AAPL")) == asked(db, ALL_FEATURES.format("WHOLE"))


VERDICTS = (
    "SELECT time, flags, quality_score, validated FROM bar "
    "WHERE instrument = (SELECT id FROM instrument WHERE symbol = '{}') ORDER BY 1"
)
ALL_FEATURES = (
    "SELECT time, return_1d, atr, rolling_mean_10, volume_ratio FROM bar_feature "
    "WHERE instrument = (SELECT id FROM instrument WHERE symbol = '{}') ORDER BY 1"
)


def test_prices_overrule_the_order_as_soon_as_they_are_there(db: Database, aapl: Series) -> None:
    learn(db, aapl.instrument, told((2.0, SPLIT)), "polygon")
    learn(db, aapl.instrument, told((4.0, SPLIT)), "yahoo")
    assert applied(db, aapl) == [(SPLIT, 2.0)]
    assert asked(db, CONFLICTS) == [("open", "medium")]

    keep_days(db, aapl, ROWS)

    assert applied(db, aapl) == [(SPLIT, 4.0)]
    assert standings(db) == [("polygon", 2.0, "rejected", "prices"), ("yahoo", 4.0, "accepted", "prices")]
    assert asked(db, CONFLICTS) == [("open", "low")]
    [(change,)] = asked(db, "SELECT return_1d FROM bar_feature WHERE time = '2020-08-31Z'")
    assert change == pytest.approx(129.04 / (499.23 / 4) - 1)
    assert asked(db, "SELECT time FROM bar WHERE flags LIKE '%open_jump%'") == []


CONFLICTS = "SELECT resolution_status, severity FROM data_anomalies WHERE anomaly_type = 'split_conflict' ORDER BY id"


def test_a_split_that_prices_deny_is_not_applied_until_they_change(db: Database, aapl: Series) -> None:
    in_new_shares = ROWS.with_columns(
        pl.when(pl.col("time").dt.date() < SPLIT).then(pl.col(NAMES[1:5]) / 4).otherwise(pl.col(NAMES[1:5]))
    )
    keep_days(db, aapl, in_new_shares, source="polygon")

    learn(db, aapl.instrument, told((4.0, SPLIT)), "yahoo")
    assert (applied(db, aapl), asked(db, CONFLICTS)) == ([], [("open", "high")])
    keep_days(db, aapl, ROWS, source="polygon")

    assert (applied(db, aapl), asked(db, CONFLICTS)) == ([(SPLIT, 4.0)], [("resolved", "high")])


def test_a_bar_corrected_by_hand_is_evidence_too(db: Database, aapl: Series) -> None:
    wrong = ROWS.with_columns(
        pl.when(pl.col("time").dt.date() == SPLIT).then(pl.col(NAMES[1:5]) * 4).otherwise(pl.col(NAMES[1:5]))
    )
    keep_days(db, aapl, wrong)
    learn(db, aapl.instrument, told((4.0, SPLIT)), "polygon")
    assert applied(db, aapl) == []

    correct(db, "AAPL", "2020-08-31", dict(zip(NAMES[1:], TRADED[20][1:], strict=True)), reason="basis", author="me")

    assert applied(db, aapl) == [(SPLIT, 4.0)]


def test_a_conflict_that_is_gone_is_resolved(db: Database, aapl: Series) -> None:
    learn(db, aapl.instrument, told((2.0, SPLIT)), "polygon")
    learn(db, aapl.instrument, told((4.0, SPLIT)), "yahoo")

    learn(db, aapl.instrument, told((4.0, SPLIT)), "polygon")

    assert standings(db) == [("polygon", 4.0, "accepted", "agreement"), ("yahoo", 4.0, "accepted", "agreement")]
    assert asked(db, CONFLICTS) == [("resolved", "medium")]


def test_what_a_source_told_once_stays_known_for_that_time(db: Database, aapl: Series) -> None:
    start = moment(db)
    learn(db, aapl.instrument, told((2.0, SPLIT), dividends=((0.8, date(2020, 8, 7)),)), "polygon")
    first = moment(db)
    learn(db, aapl.instrument, told((4.0, SPLIT), dividends=((0.82, date(2020, 8, 7)),)), "polygon")
    second = moment(db)
    ever, older = Span(day("1970-01-01"), day("2026-11-01")), (2.0, date(2005, 2, 28))
    learn(db, aapl.instrument, told(dividends=((0.82, date(2020, 8, 7)),)), "polygon", ever)
    assert applied(db, aapl) == [(SPLIT, 4.0)], "no split at all is no list of splits"
    learn(db, aapl.instrument, told(older), "polygon", ever)

    assert [applied(db, aapl, then) for then in (start, first, second)] == [[], [(SPLIT, 2.0)], [(SPLIT, 4.0)]]
    assert applied(db, aapl) == [older[::-1]]
    amounts = [actions.corporate_actions(db, "AAPL", as_of=then)[1] for then in (start, first, second)]
    assert [[row["amount"] for row in rows if row["kind"] == "dividend"] for rows in amounts] == [[], [0.8], [0.82]]
    assert asked(db, "SELECT count(*) FROM corporate_action") == [(5,)]


def test_the_same_told_again_changes_nothing(db: Database, aapl: Series) -> None:
    keep_days(db, aapl, ROWS)
    every = told((4.0, SPLIT), dividends=((0.82, date(2020, 8, 7)),))
    learn(db, aapl.instrument, every, "yahoo")
    versions = "SELECT ctid::text, xmin::text FROM {} ORDER BY 1"
    tables = ("corporate_action", "action_standing", "series", "bar", "bar_feature", "data_anomalies")
    before = [asked(db, versions.format(table)) for table in tables]

    learn(db, aapl.instrument, every.with_columns(pl.col("amount") * 1.0001), "yahoo")
    keep_days(db, aapl, ROWS)

    assert [asked(db, versions.format(table)) for table in tables] == before


def test_an_extra_dividend_of_a_day_adds_to_the_usual_one(db: Database, aapl: Series) -> None:
    paid = date(2020, 8, 7)

    learn(db, aapl.instrument, told(dividends=((0.5, paid), (0.32, paid), (0.5, paid))), "polygon")

    [(amount,)] = asked(db, "SELECT amount FROM corporate_action")
    assert amount == pytest.approx(0.82)


def test_actions_of_an_older_warehouse_keep_their_standing(db: Database, aapl: Series) -> None:
    """Until 017 the source with the smallest number had its way."""
    file = Path(__file__).parents[2] / "database" / "migrations" / "017_actions_by_evidence.sql"
    old = "INSERT INTO corporate_action (instrument, kind, effective, ratio, source) VALUES (%s, 'split', %s, %s, %s)"
    with db.transaction() as connection:
        connection.execute("DROP TABLE action_standing, action_reading")
        for ratio, source in ((4.0, 1), (3.0, 2), (1.0, 3)):
            connection.execute(old, [aapl.instrument.number, SPLIT, ratio, source])

    for _ in range(2):
        with db.transaction() as connection:
            connection.execute(file.read_bytes())

    assert applied(db, aapl) == [(SPLIT, 4.0)]
    assert [row[1:3] for row in standings(db)] == [(4.0, "accepted"), (3.0, "rejected")]


def test_past_prices_are_adjusted_by_what_was_known_then(db: Database, aapl: Series) -> None:
    keep_days(db, aapl, ROWS)
    ignorant = moment(db)
    learn(db, aapl.instrument, told((4.0, SPLIT), dividends=((0.82, date(2020, 8, 7)),)), "polygon")
    knowing = moment(db)
    learn(db, aapl.instrument, told(dividends=((0.41, date(2020, 9, 1)),)), "polygon")

    def first_close(adjust: Adjust, as_of: datetime | None) -> float:
        return float(reads.bars(db, Selection(aapl, adjust=adjust, as_of=as_of), 1)["close"].item())

    paid = 1 - 0.82 / 455.61
    assert first_close(Adjust.ALL, ignorant) == 435.75
    assert first_close(Adjust.ALL, knowing) == pytest.approx(435.75 / 4 * paid, rel=1e-12)
    assert first_close(Adjust.ALL, None) == pytest.approx(435.75 / 4 * paid * (1 - 0.41 / 129.04), rel=1e-12)
    assert first_close(Adjust.SPLITS, None) == 435.75 / 4


def test_a_split_still_to_come_adjusts_nothing(db: Database, aapl: Series) -> None:
    keep_days(db, aapl, ROWS)
    learn(db, aapl.instrument, told((2.0, (datetime.now(UTC) + timedelta(days=9)).date())), "polygon")

    assert reads.bars(db, Selection(aapl, adjust=Adjust.ALL))["close"].to_list() == ROWS["close"].to_list()


def test_past_features_are_those_that_were_stored_then(db: Database, aapl: Series) -> None:
    names = ("return_1d", "atr", "trend_direction", "rolling_mean_10", "volume_ratio")
    keep_days(db, aapl, ROWS[:23])
    then, known = moment(db), reads.bars(db, Selection(aapl, features=names))
    restated = ROWS.with_columns(close=pl.when(pl.int_range(pl.len()) == 9).then("low").otherwise("close"))
    keep_days(db, aapl, restated)
    learn(db, aapl.instrument, told((4.0, SPLIT)), "polygon")

    found = reads.bars(db, Selection(aapl, features=names, as_of=then))
    paged = pl.concat(reads.pages(db, Selection(aapl, features=names, as_of=then), 5))

    assert found.drop("flags", "quality_score").equals(known.drop("flags", "quality_score"), null_equal=True)
    assert paged.equals(found, null_equal=True)
    assert not reads.bars(db, Selection(aapl, features=names))[:23].equals(found)
    newest = reads.newest(db, Selection(aapl, features=names, as_of=then), 3)
    assert newest.equals(found.tail(3), null_equal=True)


learnings = st.tuples(
    st.just("learn"),
    st.sampled_from(["polygon", "yahoo", "file"]),
    st.sampled_from([2.0, 4.0, 0.205, 0.82]),
    st.sampled_from([SPLIT, date(2020, 8, 28), date(2020, 8, 19)]),
)
keepings = st.tuples(
    st.just("keep"),
    st.sampled_from(["polygon", "yahoo"]),
    st.sampled_from([1.0, 1.01]),
    st.tuples(st.integers(0, 24), st.integers(1, 25)),
)
counted = count()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(story=st.lists(learnings | keepings, min_size=2, max_size=7))
def test_any_past_instant_reads_as_it_did_then_adjusted_and_with_features(
    db: Database, story: list[tuple[str, str, float, Any]]
) -> None:
    series = kept(db, f"S{next(counted)}")
    read = Selection(series, adjust=Adjust.ALL, features=("return_1d", "atr", "rolling_mean_10"))
    seen = []

    for what, source, number, when in story:
        if what == "keep":
            rows = ROWS[when[0] : when[0] + when[1]]
            keep_days(db, series, rows.with_columns(pl.col("close", "high") * number), source)
        else:
            one = told((number, when)) if number > 1 else told(dividends=((number, when),))
            learn(db, series.instrument, one, source)
        seen.append((moment(db), reads.bars(db, read)))

    for then, known in seen:
        found = reads.bars(db, replace(read, as_of=then))
        assert_frame_equal(found.drop(VERDICT), known.drop(VERDICT), rel_tol=1e-12, abs_tol=1e-15)


VERDICT = ["validated", "quality_score", "flags"]
