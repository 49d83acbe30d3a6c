"""`python scripts/backfill_baseline.py`: where a backfill's time goes, as people and programs read it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.contract.cli.conftest import without_settings

SCRIPTS = Path(__file__).parents[2] / "scripts"
FEW = ("--vendor-side", "AAPL", "IBM", "--from", "2012-01-01", "--to", "2013-01-01")


def run(script: str, folder: Path, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if name not in without_settings()}
    environment = inherited | {"BARHOUSE_DATA_DIR": str(folder), "COLUMNS": "120"} | variables
    command = [sys.executable, str(SCRIPTS / script), *options]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_it_tells_the_time_of_the_vendors_and_of_the_database(tmp_path: Path) -> None:
    ran = run("backfill_baseline.py", tmp_path, *FEW, "--latency", "0.2")

    assert ran.returncode == 0, ran.stderr
    told: dict[str, Any] = json.loads(ran.stdout)
    assert {one["series"]: (one["bars"], one["calls"]) for one in told["series"]} == {
        "AAPL 1d": (250, 1),
        "IBM 1d": (250, 1),
    }
    assert all(0.2 <= one["vendor_seconds"] <= one["asking_seconds"] for one in told["series"])
    assert all(one["database_seconds"] > 0 for one in told["series"])
    assert told["total"]["bars"] == 500
    assert 0 < told["total"]["vendor_share"] < 1
    assert "AAPL 1d" in ran.stderr
    assert list(tmp_path.iterdir()) == []


def test_its_old_name_calls_it_and_the_json_may_go_to_a_file(tmp_path: Path) -> None:
    file = tmp_path / "baseline.json"

    ran = run("phase_2_backfill_baseline.py", tmp_path, *FEW, "--json", str(file), "--faults", "polygon cut last=1")

    assert ran.returncode == 0, ran.stderr
    assert json.loads(file.read_text(encoding="utf-8"))["total"]["calls"] == 3
    assert ran.stdout.startswith("series")
    assert "total" in ran.stdout


def test_vendors_that_refuse_are_told(tmp_path: Path) -> None:
    ran = run("backfill_baseline.py", tmp_path, *FEW, "--faults", "error status=403")

    assert ran.returncode == 1
    told = json.loads(ran.stdout)["total"]
    assert (told["bars"], told["failed_attempts"]) == (0, 4)


@pytest.mark.parametrize("options", [(), ("--vendor-side", "--faults", "cutt"), ("AAPL", "--timeframes", "2h")])
def test_what_cannot_be_done_is_told(tmp_path: Path, database_url: str, options: tuple[str, ...]) -> None:
    ran = run("backfill_baseline.py", tmp_path, *options, DATABASE_URL=database_url)

    assert ran.returncode == 1
    assert ran.stderr.startswith("error ")
    assert ran.stdout == ""
