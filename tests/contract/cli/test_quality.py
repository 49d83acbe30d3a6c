"""`barhouse quality`: what is wrong, why, and what to do next."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from barhouse.cli.advice import advice
from barhouse.flow.quality import listed_anomalies
from barhouse.model import AssetClass, Instrument
from barhouse.store.anomalies import Wanted
from barhouse.store.postgres import Database
from tests.contract.cli.conftest import Barhouse
from tests.integration.doubled import written
from tests.integration.test_sweep import stored, week


def test_how_many_records_are_not_validated_is_told_however_few(db: Database, barhouse: Barhouse) -> None:
    stored(db, "AAPL", week(4, 6, 7, 8))
    written(db, ("2024-03-05", 10, False, 0.5))

    told = barhouse("quality", "AAPL")

    assert "validated 80.00% of 5 records" in told.output
    assert "1 not validated: `barhouse quarantine list AAPL --class stock`" in told.output


def test_a_symbol_is_told_with_its_gaps_and_what_to_do_next(db: Database, barhouse: Barhouse) -> None:
    stored(db, "AAPL", week(4, 7, 8))

    told = barhouse("quality", "AAPL")

    assert told.exit_code == 0, told.output
    # Three of the five days of that week, each whole
    assert "validated 100.00% of 3 records" in told.output
    assert "complete 60.00%" in told.output
    assert "gap 1 (1 missing)" in told.output
    assert "2 bars are missing, to 2024-03-06" in told.output
    assert (
        "barhouse backfill AAPL --class stock --timeframe 1d --from 2024-03-05 --to 2024-03-07 --refresh" in told.output
    )


def test_what_to_do_next_names_the_data_directory_that_was_named(
    db: Database, barhouse: Barhouse, tmp_path: Path
) -> None:
    stored(db, "AAPL", week(4, 7, 8))
    there = f"--data-dir {tmp_path}"

    told = barhouse("quality", "AAPL", "--data-dir", tmp_path).output

    advised = told.split("What to do next:")[1].strip().splitlines()
    assert all(there in line for line in advised), told
    assert f"barhouse quality SYMBOL {there}" in barhouse("quality", "--data-dir", tmp_path).output


def test_an_outlier_is_asked_for_again_on_its_own_day() -> None:
    evidence = {"verdict": "bad_tick", "field": "low"}
    week = datetime(2024, 3, 4, tzinfo=UTC)
    told = {"id": 7, "anomaly_type": "outlier", "timeframe": "1w", "evidence": evidence, "data_point_time": week}

    [again, *_] = advice(Instrument("SPY", AssetClass.ETF, "XNYS"), [told])

    asks = "barhouse backfill SPY --class etf --timeframe 1w --from 2024-03-04 --to 2024-03-11 --refresh"
    assert again == f"{asks}   (asks whether it was restated)"


def test_all_symbols_are_told_in_a_line_each(db: Database, barhouse: Barhouse) -> None:
    stored(db, "AAPL", week(4, 7, 8))
    stored(db, "MSFT", week(4, 5, 6))

    told = barhouse("quality")

    lines = [line.split() for line in told.output.splitlines()]
    assert ["AAPL", "stock", "0.8857", "100.00%", "60.00%", "1", "0", "0", "yes"] in lines
    assert ["MSFT", "stock", "0.8857", "100.00%", "100.00%", "0", "0", "0", "yes"] in lines


def test_an_empty_warehouse_and_an_unknown_symbol_are_told_plainly(barhouse: Barhouse) -> None:
    assert "Nothing is stored yet" in barhouse("quality").output
    unknown = barhouse("quality", "NONE")
    assert unknown.exit_code == 2
    assert "is not tracked" in unknown.output


def test_an_anomaly_is_acknowledged_by_its_number(db: Database, barhouse: Barhouse) -> None:
    stored(db, "AAPL", week(4, 7, 8))
    barhouse("quality", "AAPL")
    [gap] = listed_anomalies(db, Wanted(type="gap"))

    told = barhouse("quality", "acknowledge", gap["id"], "--author", "ann")

    assert "AAPL 1d: 2 bars are missing, to 2024-03-06: seen by ann" in told.output
    assert "seen by ann" in barhouse("quality", "AAPL").output
    assert barhouse("quality", "acknowledge", 10**6, "--author", "ann").exit_code == 2
    assert barhouse("quality", "acknowledge", gap["id"]).exit_code == 2


def test_a_cleanup_is_undone_by_its_number(db: Database, barhouse: Barhouse) -> None:
    unknown = barhouse("quality", "undo", 7)

    assert unknown.exit_code == 2
    assert "7" in unknown.output


def test_a_symbol_is_drawn_with_its_gaps(db: Database, barhouse: Barhouse, tmp_path: Path) -> None:
    stored(db, "AAPL", week(4, 7, 8))
    picture, drawing = tmp_path / "aapl.png", tmp_path / "aapl.svg"

    assert barhouse("quality", "AAPL", "--plot", picture).exit_code == 0
    assert barhouse("quality", "AAPL", "--plot", drawing).exit_code == 0

    assert picture.read_bytes().startswith(b"\x89PNG")
    drawn = drawing.read_text()
    assert "<!-- AAPL 1d, stock -->" in drawn
    assert "<!-- absent (1) -->" in drawn
    assert "<pattern" in drawn


def test_a_picture_needs_an_ending_bars_and_its_library(
    db: Database, barhouse: Barhouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored(db, "AAPL", week(4, 7, 8))
    no_ending = barhouse("quality", "AAPL", "--plot", tmp_path / "aapl.gif")
    nothing = barhouse("quality", "AAPL", "--timeframe", "1h", "--plot", tmp_path / "aapl.png")
    nobody = barhouse("quality", "--plot", tmp_path / "all.png")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    missing = barhouse("quality", "AAPL", "--plot", tmp_path / "aapl.png")

    assert (no_ending.exit_code, nothing.exit_code, nobody.exit_code, missing.exit_code) == (2, 2, 2, 1)
    assert ".png, .svg" in no_ending.output
    assert 'pip install "barhouse[plot]"' in missing.output
    assert list(tmp_path.iterdir()) == []


def test_what_a_file_brings_is_judged_at_once(barhouse: Barhouse, tmp_path: Path) -> None:
    rows: list[Any] = ["date,open,high,low,close,volume"]
    rows += [f"2024-03-{day:02},10,10.5,9.5,10,100{day}" for day in (4, 5, 7, 8)]
    (tmp_path / "aapl.csv").write_text("\n".join(rows))

    told = barhouse("import", tmp_path / "aapl.csv", "--symbol", "AAPL")

    assert "Judged: 1 gap (AAPL 1d); barhouse quality AAPL tells why." in told.output
