"""Real series with a fault each, and the same series repaired by hand: the one is found out, the other is clean."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from barhouse.flow.choosing import chosen
from barhouse.flow.findings import Findings
from barhouse.flow.imports import take
from barhouse.flow.quality import listed_anomalies
from barhouse.flow.sweep import sweep
from barhouse.model import Instrument, Series, Timeframe
from barhouse.store.anomalies import Wanted
from barhouse.store.postgres import Database
from tests.integration.test_sweep import IN_TIME

NOW = datetime(2024, 3, 9, tzinfo=UTC)

PENCE = ("AET-L-1d-100x-error", Instrument("AET.L", exchange="XLON"), "Europe/London")
SPLIT = ("CNE-L-1d-bad-stock-split", Instrument("CNE.L", exchange="XLON"), "Europe/London")
DIVIDEND = ("8TRA-DE-1d-missing-div-adjust", Instrument("8TRA.DE", exchange="XETR"), "Europe/Berlin")


def judged(db: Database, folder: Path, pair: tuple[str, Instrument, str], ending: str = "") -> Findings:
    name, instrument, zone = pair
    path = folder / "pairs" / f"{name}{ending}.csv.gz"
    take(db, path, Series(instrument, Timeframe.D1), zone=zone, now=NOW)
    return sweep(db, chosen(db, instrument.symbol, None, None), IN_TIME)


def test_prices_in_pounds_among_pence_are_found(db: Database, shared_data: Path) -> None:
    """14 of the 23 closes of the source are 0.1455, the others 14.55."""
    found = judged(db, shared_data, PENCE).outliers

    assert {(row["verdict"], round(row["value"], 4)) for row in found} == {("unit_error", 0.1455)}
    assert len(found) == 14


def test_a_split_that_was_forgotten_for_a_day_is_found(db: Database, shared_data: Path) -> None:
    [row] = judged(db, shared_data, SPLIT).outliers

    assert (row["time"], row["close"], row["severity"]) == ("2023-05-09T00:00:00Z", 218.399993896484, "critical")


@pytest.mark.parametrize("pair", [PENCE, SPLIT])
def test_their_repaired_twins_are_clean(db: Database, shared_data: Path, pair: tuple[str, Instrument, str]) -> None:
    assert not judged(db, shared_data, pair, "-fixed")


def test_closes_that_deny_their_dividend_are_found_and_resolved_by_the_repaired_ones(
    db: Database, shared_data: Path
) -> None:
    """0.70 on a close of 18.79 is a factor of 0.96275."""
    judged(db, shared_data, DIVIDEND)
    [row] = listed_anomalies(db, Wanted(type="adjustment"))

    judged(db, shared_data, DIVIDEND, "-fixed")

    assert (row["data_point_time"], row["timeframe"]) == (datetime(2023, 6, 2, tzinfo=UTC), "1d")
    assert row["evidence"]["expected_factor"] == pytest.approx(0.96275, abs=1e-5)
    assert row["evidence"]["told_factor"] == pytest.approx(1.0, abs=1e-6)
    assert [row["resolution_status"] for row in listed_anomalies(db, Wanted(type="adjustment"))] == ["resolved"]
