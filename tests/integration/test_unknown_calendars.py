"""An instrument whose exchange nobody knows: each face tells it of that one, and goes on for the others."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime

import pytest

from barhouse.api import vendor_side
from barhouse.api.sample import sample
from barhouse.config import Settings
from barhouse.errors import UnknownCalendar
from barhouse.flow import sessions
from barhouse.flow.books import settle
from barhouse.flow.enrichment import status
from barhouse.flow.freshness import get_feature_staleness_report, get_scheduler_health
from barhouse.flow.health import health_run
from barhouse.flow.instruments import find_all
from barhouse.flow.plan import Wanted
from barhouse.flow.run import bring
from barhouse.flow.scheduling import timetable, wanted_by
from barhouse.flow.standing import standings
from barhouse.flow.triggers import trigger
from barhouse.model import Instrument, Series, Span, Timeframe
from barhouse.sources.polygon import Polygon
from barhouse.store import instruments
from barhouse.store.postgres import Database
from barhouse.store.schedules import Name
from tests.contract.cli.conftest import Barhouse, barhouse  # noqa: F401
from tests.integration.doubled import asked, done
from tests.integration.test_sweep import stored, week

NOW = datetime(2024, 3, 9, tzinfo=UTC)
SINCE = datetime(2024, 3, 4, tzinfo=UTC)


@pytest.fixture
def lost(db: Database) -> Database:
    """A warehouse with a stock of New York and one whose exchange somebody wrote there by hand."""
    for symbol in ("AAPL", "NOWHERE"):
        stored(db, symbol, week(4, 5, 6, 7, 8))
        with db.transaction() as connection:
            instruments.track(connection, Series(Instrument(symbol), Timeframe.D1), SINCE)
    done(db, "UPDATE instrument SET exchange = 'XNOPE' WHERE symbol = 'NOWHERE'")
    return db


def test_its_status_says_so(lost: Database) -> None:
    aapl, nowhere = standings(lost, NOW)

    assert (aapl.unjudged, nowhere.bars, nowhere.unread) == (None, 5, [])
    assert "XNOPE" in str(nowhere.unjudged)


def test_the_command_goes_on_for_the_others(lost: Database, barhouse: Barhouse) -> None:  # noqa: F811
    told = barhouse("status")

    assert told.exit_code == 0, told.output
    assert "No calendar of an exchange 'XNOPE'" in told.output
    assert "AAPL" in told.output


def test_its_enrichment_is_in_error_and_that_of_others_is_not(lost: Database) -> None:
    assert "XNOPE" in status(lost, "NOWHERE", now=NOW)["error_message"]
    settle(lost, find_all(lost, ["AAPL", "NOWHERE"]), NOW)
    assert dict(asked(lost, "SELECT symbol, status FROM enrichment_status")) == {"AAPL": "warning", "NOWHERE": "error"}


def test_nothing_says_that_its_features_are_fresh(lost: Database) -> None:
    told = get_feature_staleness_report(lost, now=NOW)
    health = get_scheduler_health(lost, now=NOW)

    [row] = told["by_status"]["stale"]
    assert (row["symbol"], row["staleness_seconds"]) == ("NOWHERE", None)
    assert [each["symbol"] for each in told["by_status"]["fresh"]] == ["AAPL"]
    assert (health["status"], health["stale_features_count"], health["total_symbols_monitored"]) == ("degraded", 1, 2)


def test_a_health_run_counts_it_among_what_is_wrong(lost: Database) -> None:
    told = health_run(lost, now=NOW)

    assert (told["stale_symbols"], told["anomalies_detected"]) == (0, 1)


def test_a_backfill_goes_on_for_the_others_and_says_why_it_cannot_be_read(lost: Database) -> None:
    span = Span(SINCE, NOW)
    wanted = [Wanted(Series(each, Timeframe.D1), span) for each in find_all(lost, ["AAPL", "NOWHERE"])]
    with vendor_side.served(vendor_side.create(sample())) as vendors:
        told = asyncio.run(bring(lost, {"polygon": Polygon(vendors, "k")}, wanted, now=NOW))

    aapl, nowhere = sorted(told, key=lambda outcome: str(outcome.series))
    assert (len(aapl.fetches), nowhere.missing) == (1, [span])
    ended = dict(
        asked(lost, "SELECT symbol, status || coalesce(': ' || error_message, '') FROM backfill_state_persistent")
    )
    assert ended["AAPL"] == "completed"
    assert ended["NOWHERE"].startswith("failed: 2024-03-04 to 2024-03-09 could not be read: No calendar of an exchange")


def test_a_schedule_and_a_trigger_ask_for_it_like_for_others(lost: Database) -> None:
    symbols = ["AAPL", "NOWHERE"]
    for instrument in find_all(lost, symbols):
        with lost.transaction() as connection:
            instruments.track(connection, Series(instrument, Timeframe.H1), SINCE)
    table = timetable(Settings.model_validate({"critical_symbols": symbols}))

    wanted = wanted_by(lost, table, Name.CRITICAL, datetime(2024, 3, 8, 16, tzinfo=UTC))
    job = trigger(lost, None, symbols, None, [], NOW, by="me")

    assert [each.series.instrument.symbol for each in wanted] == symbols
    assert (job["status"], job["records"] > 0) == ("queued", True)


def test_that_nobody_knows_it_is_found_out_once(lost: Database) -> None:
    def look() -> float:
        began = time.perf_counter()
        with pytest.raises(UnknownCalendar):
            sessions.calendar(lost, "XNEVER")
        return time.perf_counter() - began

    first, second = look(), look()

    assert second < first / 10
