"""One row a cause, from open to resolved, however often and by how many it is seen."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest

from barhouse.model import Series, Timeframe
from barhouse.store import anomalies
from barhouse.store.anomalies import FOUND, Changes, Checked, Wanted
from barhouse.store.postgres import Database
from tests.answers import kept

MONDAY, TUESDAY = datetime(2024, 3, 4, tzinfo=UTC), datetime(2024, 3, 5, tzinfo=UTC)


@pytest.fixture
def series(db: Database) -> Series:
    return kept(db, "AAPL")


def cause(series: Series, time: datetime | None, severity: str = "low", missing: int = 1) -> tuple[Any, ...]:
    number = series.instrument.number
    return number, series.timeframe.code, "gap", severity, "a gap", f'{{"missing": {missing}}}', time


def seen(db: Database, series: Series, *causes: tuple[Any, ...], kinds: tuple[str, ...] = ("gap",)) -> Changes:
    found = pl.DataFrame(list(causes), schema=FOUND, orient="row")
    with db.transaction() as connection:
        checked = Checked([series.instrument.number], [series.timeframe], kinds)
        return anomalies.reconcile(connection, found, checked=checked)


def rows(db: Database, **wanted: Any) -> list[dict[str, Any]]:
    with db.connection() as connection:
        return anomalies.listed(connection, Wanted(**wanted), 100)


def whole(db: Database) -> list[tuple[Any, ...]]:
    with db.connection() as connection:
        return connection.execute("SELECT * FROM data_anomalies ORDER BY id").fetchall()


def test_a_cause_that_is_seen_again_changes_nothing_not_even_the_time_of_its_row(db: Database, series: Series) -> None:
    assert seen(db, series, cause(series, MONDAY), cause(series, TUESDAY)) == Changes(2, 0, 0)
    before = whole(db)

    assert seen(db, series, cause(series, MONDAY), cause(series, TUESDAY)) == Changes(0, 0, 0)

    assert whole(db) == before


def test_a_cause_that_grows_stays_the_same_row(db: Database, series: Series) -> None:
    seen(db, series, cause(series, MONDAY))
    [before] = rows(db)

    assert seen(db, series, cause(series, MONDAY, "high", 7)) == Changes(0, 1, 0)

    [after] = rows(db)
    assert (after["id"], after["severity"], after["evidence"]) == (before["id"], "high", {"missing": 7})


def test_a_cause_that_is_gone_is_resolved_and_opens_anew_if_it_comes_back(db: Database, series: Series) -> None:
    seen(db, series, cause(series, MONDAY))

    assert seen(db, series) == Changes(0, 0, 1)
    assert seen(db, series, cause(series, MONDAY)) == Changes(1, 0, 0)

    assert [row["resolution_status"] for row in rows(db)] == ["open", "resolved"]
    assert [row["resolved_at"] is None for row in rows(db)] == [True, False]


def test_what_was_not_checked_is_not_resolved(db: Database, series: Series) -> None:
    seen(db, series, cause(series, MONDAY))
    hours = kept(db, "AAPL", Timeframe.H1)

    assert seen(db, kept(db, "MSFT")) == seen(db, hours) == seen(db, series, kinds=("outlier",)) == Changes(0, 0, 0)

    assert [row["resolution_status"] for row in rows(db)] == ["open"]


def test_what_somebody_acknowledged_stays_so_until_it_is_gone(db: Database, series: Series) -> None:
    seen(db, series, cause(series, None))
    [row] = rows(db)
    with db.transaction() as connection:
        first = anomalies.acknowledge(connection, [row["id"], row["id"] + 1], "ann", "a holiday")
        second = anomalies.acknowledge(connection, [row["id"]], "bob")
        known, none = anomalies.one(connection, row["id"]), anomalies.one(connection, row["id"] + 1)

    assert (first, second, none) == (1, 0, None)
    assert known is not None
    told = (known["resolution_status"], known["acknowledged_by"], known["note"])
    assert told == ("acknowledged", "ann", "a holiday")
    assert seen(db, series, cause(series, None)) == Changes(0, 0, 0)
    assert seen(db, series) == Changes(0, 0, 1)
    assert [(row["resolution_status"], row["acknowledged_by"]) for row in rows(db)] == [("resolved", "ann")]


def test_two_at_once_raise_a_cause_once(db: Database, series: Series) -> None:
    causes = [cause(series, MONDAY), cause(series, TUESDAY), cause(series, None)]

    with ThreadPoolExecutor(4) as threads:
        changes = list(threads.map(lambda _: seen(db, series, *causes), range(8)))

    assert sum(each.raised for each in changes) == 3
    assert len(rows(db)) == 3


def test_anomalies_are_listed_by_what_is_asked_for_the_latest_first(db: Database, series: Series) -> None:
    other = kept(db, "MSFT")
    seen(db, series, cause(series, MONDAY), cause(series, TUESDAY, "high"))
    seen(db, other, cause(other, MONDAY, "critical"))

    newest = rows(db)[0]
    assert [row["severity"] for row in rows(db)] == ["critical", "high", "low"]
    assert [row["severity"] for row in rows(db, symbol="AAPL")] == ["high", "low"]
    assert [row["symbol"] for row in rows(db, severity="critical")] == ["MSFT"]
    assert [row["severity"] for row in rows(db, before=newest["id"])] == ["high", "low"]
    assert rows(db, type="outlier") == rows(db, status="resolved") == rows(db, timeframe="1h") == []
