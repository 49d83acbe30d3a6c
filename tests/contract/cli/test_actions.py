"""Splits on the command line: who tells them, which count, and what they make of prices."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from tests.contract.cli.conftest import Barhouse

BARS = """date,open,high,low,close,volume
2024-03-04,100,103,99,102,1000
2024-03-05,102,104,101,104,1000
2024-03-06,52,54,51,53,2000
2024-03-07,53,54,52,52,2000
"""
"""Two shares for one from 6 March on."""


@pytest.fixture
def acme(barhouse: Barhouse, tmp_path: Path) -> None:
    files = {"bars.csv": BARS, "splits.csv": "date,ratio\n2024-03-06,2\n2024-03-07,2\n"}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert barhouse("import", tmp_path / "bars.csv", "--symbol", "ACME").exit_code == 0
    assert barhouse("import", tmp_path / "splits.csv", "--symbol", "ACME", "--actions").exit_code == 0


@pytest.mark.usefixtures("acme")
def test_a_split_is_listed_with_whether_it_counts_and_why(barhouse: Barhouse) -> None:
    listed = barhouse("actions", "acme")

    assert listed.exit_code == 0, listed.output
    heading, real, wrong = listed.output.splitlines()
    assert heading.split() == ["day", "what", "source", "learnt", "counts", "because"]
    assert real.split()[:4] == ["2024-03-06", "2:1", "split", "file"]
    assert real.split()[6:] == ["yes", "prices", "say", "so"]
    assert wrong.split()[0] == "2024-03-07"
    assert wrong.split()[6:] == ["no", "prices", "say", "so"]


def test_a_symbol_of_which_nothing_is_told_has_an_honest_answer(barhouse: Barhouse, tmp_path: Path) -> None:
    (tmp_path / "bars.csv").write_text(BARS)
    assert barhouse("import", tmp_path / "bars.csv", "--symbol", "ACME").exit_code == 0

    listed = barhouse("actions", "ACME")

    assert listed.output == "Nobody has told a split or a dividend of ACME (stock) yet\n"
    assert barhouse("actions", "NONE").exit_code == 2


@pytest.mark.usefixtures("acme")
def test_bars_and_exports_come_in_todays_shares(barhouse: Barhouse, tmp_path: Path) -> None:
    shown = barhouse("bars", "ACME", "--adjust", "splits")
    exported = barhouse("export", "ACME", "--out", tmp_path / "out.csv", "--adjust", "all")

    assert exported.exit_code == 0, exported.output
    assert pl.read_csv(tmp_path / "out.csv")["close"].to_list() == [51.0, 52.0, 53.0, 52.0]
    assert "adjusted for splits" in shown.output
    assert shown.output.splitlines()[2].split()[:6] == ["2024-03-04", "50.00", "51.50", "49.50", "51.00", "2,000"]


@pytest.mark.usefixtures("acme")
def test_bars_and_exports_show_what_was_known_once(barhouse: Barhouse, tmp_path: Path) -> None:
    before = datetime.now(UTC) - timedelta(hours=1)

    shown = barhouse("bars", "ACME", "--as-of", "2024-03-05")
    exported = barhouse("export", "ACME", "--out", tmp_path / "out.csv", "--as-of", before.isoformat())
    refused = barhouse("bars", "ACME", "--as-of", "2999-01-01")

    assert "as known at 2024-03-05T00:00:00Z" in shown.output
    assert "2024-03-04" not in shown.output
    assert exported.exit_code == 0, exported.output
    assert pl.read_csv(tmp_path / "out.csv").height == 0
    assert refused.exit_code == 2
    assert "still to come" in refused.output
