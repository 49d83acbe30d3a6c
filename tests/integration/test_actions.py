"""Splits of several sources: two vendors make one series, and prices decide whom to believe."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime

import polars as pl
import pytest

from barhouse.api import vendor_side
from barhouse.api.compat.frames import FrameShelf
from barhouse.config import Settings
from barhouse.errors import DatabaseUnavailable
from barhouse.flow import reads
from barhouse.flow.actions import learn
from barhouse.flow.backfill import backfill
from barhouse.flow.cleanup import cleanup_duplicate_records, undo_cleanup
from barhouse.flow.correct import correct
from barhouse.flow.plan import Wanted, plan
from barhouse.flow.warehouse import opened
from barhouse.model import Adjust, AssetClass, Series, Span, Timeframe
from barhouse.sources import configured
from barhouse.store import bars
from barhouse.store.postgres import Database
from barhouse.store.reading import Selection
from tests.answers import kept
from tests.integration.aapl_2020 import (
    NAMES,
    ROWS,
    SPLIT,
    TRADED,
    applied,
    asked,
    day,
    keep_days,
    standings,
    told,
)
from tests.integration.doubled import done, written

PAID = pl.DataFrame({"effective": [date(2020, 8, 7)], "amount": [0.82]})
"""A dividend before the split, in the shares of its day; afterwards Yahoo tells 0.205."""


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


def test_who_was_stopped_before_deciding_leaves_it_to_the_next_start(
    database_url: str, db: Database, aapl: Series
) -> None:
    learn(db, aapl.instrument, told((2.0, SPLIT)), "polygon")
    learn(db, aapl.instrument, told((4.0, SPLIT)), "yahoo")
    hours = kept(db, "AAPL", Timeframe.H1)

    hurried = f"{database_url}{'&' if '?' in database_url else '?'}options=-c%20lock_timeout%3D500"
    with Database(hurried) as hasty, db.transaction() as other:
        bars.lock(other, Timeframe.H1, [hours.instrument.number])
        with pytest.raises(DatabaseUnavailable, match="lock_timeout"):
            keep_days(hasty, aapl, ROWS)
    assert asked(db, "SELECT count(*) FROM bar") == [(ROWS.height,)]
    assert applied(db, aapl) == [(SPLIT, 2.0)]

    with opened(Settings.model_validate({"database_url": database_url})):
        assert applied(db, aapl) == [(SPLIT, 4.0)]
    assert asked(db, "SELECT count(*) FROM split_review") == [(0,)]


def test_a_cleanup_and_its_undoing_are_evidence_too(db: Database, aapl: Series) -> None:
    on_the_day = pl.col("time").dt.date() == SPLIT
    keep_days(db, aapl, ROWS.filter(~on_the_day))
    [(true, *_)] = ROWS.filter(on_the_day).select("close").rows()
    written(db, (f"{SPLIT} 13:30Z", true, False, None), (f"{SPLIT} 14:00Z", 4 * true, True, 1.0))
    done(db, f"UPDATE bar SET open = close, high = close, low = close WHERE close IN ({true}, {4 * true})")
    learn(db, aapl.instrument, told((4.0, SPLIT)), "polygon")
    assert applied(db, aapl) == [(SPLIT, 4.0)]

    cleanup_duplicate_records(db)
    assert applied(db, aapl) == []

    [(number,)] = asked(db, "SELECT id FROM duplicate_records_log")
    undo_cleanup(db, number)
    assert applied(db, aapl) == [(SPLIT, 4.0)]
    assert asked(db, "SELECT count(*) FROM split_review") == [(0,)]


def test_a_conflict_that_is_gone_is_resolved(db: Database, aapl: Series) -> None:
    learn(db, aapl.instrument, told((2.0, SPLIT)), "polygon")
    learn(db, aapl.instrument, told((4.0, SPLIT)), "yahoo")

    learn(db, aapl.instrument, told((4.0, SPLIT)), "polygon")

    assert standings(db) == [("polygon", 4.0, "accepted", "agreement"), ("yahoo", 4.0, "accepted", "agreement")]
    assert asked(db, CONFLICTS) == [("resolved", "medium")]
