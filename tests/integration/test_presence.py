"""How it stands with each slot of a series, by pencil."""

from __future__ import annotations

from datetime import UTC, date, datetime

import polars as pl
import psycopg
import pytest

from barhouse.errors import InvalidParameter
from barhouse.flow import instruments, presence
from barhouse.flow.sweep import sweep
from barhouse.model import Series, Span, Timeframe
from barhouse.store.postgres import Database
from tests.warehouse import ODD_HOURS

LATE = datetime(2024, 3, 4, 19, 30, tzinfo=UTC)
"""An hour and a half before the session of ODD's only day ends."""
DAY = Span(datetime(2024, 3, 4, tzinfo=UTC), datetime(2024, 3, 5, tzinfo=UTC))

ASKED = """
INSERT INTO coverage (instrument, timeframe, source, span_start, span_end, state, read_at)
SELECT id, 5, 2, '{start}', '{end}', '{state}', now() FROM instrument WHERE symbol = 'ODD'
"""


@pytest.fixture
def odd(db: Database) -> Series:
    with db.connection() as connection:
        connection.execute(ODD_HOURS.encode())
    return Series(instruments.find(db, "ODD"), Timeframe.H1)


def asked(db: Database, start: str, end: str, state: str) -> None:
    with psycopg.connect(db.url) as connection:
        connection.execute(ASKED.format(start=start, end=end, state=state).encode())


def states(db: Database, series: Series, span: Span = DAY, **more: datetime) -> list[str]:
    """How its slots stand, as `hour state`."""
    told = presence.slots(db, series, span, LATE, **more)
    return [f"{time:%H} {state}" for time, state in told.select("time", "state").iter_rows()]


def test_slots_are_due_when_their_trading_is_over_and_only_settled_bars_of_the_grid_fill_them(
    db: Database, odd: Series
) -> None:
    # Hours of New York from 09:30 on: 14 to 20 o'clock UTC. One bar stands off the grid at 16, that of 18 still forms
    assert states(db, odd) == ["14 present", "15 present", "16 unasked", "17 present", "18 unasked"]


def test_where_a_source_was_away_that_another_has_nothing_says_nothing(db: Database, odd: Series) -> None:
    asked(db, "2024-03-04 13:00Z", "2024-03-05Z", "empty")
    asked(db, "2024-03-04 15:00Z", "2024-03-04 17:00Z", "refused")
    assert states(db, odd)[2:] == ["16 vendor_empty", "17 present", "18 vendor_empty"]

    asked(db, "2024-03-04 15:00Z", "2024-03-04 17:00Z", "failed")
    assert states(db, odd)[2:] == ["16 failed", "17 present", "18 vendor_empty"]


def test_what_was_read_and_did_not_come_is_missing_unless_somebody_knows_better(db: Database, odd: Series) -> None:
    asked(db, "2024-03-04 13:00Z", "2024-03-05Z", "fetched")

    assert states(db, odd)[2:] == ["16 missing", "17 present", "18 missing"]
    sweep(db, [odd])
    with psycopg.connect(db.url) as connection:
        connection.execute("""UPDATE data_anomalies SET evidence = evidence || '{"reason": "no_trade"}'""")
    assert states(db, odd)[2:] == ["16 no_trade", "17 present", "18 missing"]


@pytest.mark.parametrize(("told", "stands"), [("failed", "failed"), ("empty", "vendor_empty"), ("unreachable",) * 2])
def test_what_came_of_asking_is_told_where_nothing_came(db: Database, odd: Series, told: str, stands: str) -> None:
    asked(db, "2024-03-01Z", "2024-03-04Z", told)
    friday = Span(datetime(2024, 3, 1, 20, tzinfo=UTC), DAY.start)

    assert states(db, odd, friday) == [f"20 {stands}"]


def test_years_that_a_vendor_was_read_for_before_the_first_bar_are_its_and_not_ours(db: Database, odd: Series) -> None:
    asked(db, "2024-03-01Z", "2024-03-05Z", "fetched")

    assert states(db, odd, Span(datetime(2024, 3, 1, 20, tzinfo=UTC), DAY.start)) == ["20 vendor_empty"]


def test_a_failure_is_none_where_another_source_was_read(db: Database, odd: Series) -> None:
    for state in ("failed", "fetched"):
        asked(db, "2024-03-04 13:00Z", "2024-03-05Z", state)

    assert states(db, odd)[2] == "16 missing"


def test_an_instant_to_come_is_known_by_nobody(db: Database, odd: Series) -> None:
    with pytest.raises(InvalidParameter, match="still to come"):
        states(db, odd, as_of=datetime(2024, 3, 4, 20, tzinfo=UTC))


def test_days_tell_their_worst_slot_and_stretches_pass_over_closed_days() -> None:
    rows = [
        (datetime(2024, 3, 1, 20, tzinfo=UTC), datetime(2024, 3, 1, 21, tzinfo=UTC), date(2024, 3, 1), "missing"),
        (datetime(2024, 3, 4, 14, tzinfo=UTC), datetime(2024, 3, 4, 15, tzinfo=UTC), date(2024, 3, 4), "present"),
        (datetime(2024, 3, 4, 15, tzinfo=UTC), datetime(2024, 3, 4, 16, tzinfo=UTC), date(2024, 3, 4), "missing"),
        (datetime(2024, 3, 5, 14, tzinfo=UTC), datetime(2024, 3, 5, 15, tzinfo=UTC), date(2024, 3, 5), "no_trade"),
    ]
    days = presence.days(pl.DataFrame(rows, schema=presence.SLOTS, orient="row"))

    told = days.select("date", pl.col("state").cast(pl.String), "expected", "present", "absent").rows()
    assert told == [
        (date(2024, 3, 1), "missing", 1, 0, 1),
        (date(2024, 3, 4), "missing", 2, 1, 1),
        (date(2024, 3, 5), "no_trade", 1, 0, 0),
    ]
    [stretch] = presence.stretches(days).to_dicts()
    assert (stretch["first"], stretch["last"], stretch["days"], stretch["absent"]) == (
        date(2024, 3, 1),
        date(2024, 3, 4),
        2,
        2,
    )
    assert (stretch["start"], stretch["end"]) == (rows[0][0], rows[2][1])
    assert presence.totals(days) == {"missing": 2, "no_trade": 1}
