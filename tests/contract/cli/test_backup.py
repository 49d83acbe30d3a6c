"""`barhouse backup` and `barhouse restore` at the command line."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from tests.contract.cli.conftest import Barhouse


def test_a_backup_says_where_it_is_and_a_restore_what_it_brought(
    barhouse: Barhouse, database_url: str, tmp_path: Path
) -> None:
    made = barhouse("backup", "--out", tmp_path, "--keep", 3)
    path = Path(made.stdout.splitlines()[-2])
    back = barhouse("restore", path)

    assert (made.exit_code, back.exit_code) == (0, 0), made.stderr + back.stderr
    assert "restored and compared" in made.stdout
    assert {line.split(":")[0] for line in made.stdout.splitlines()} >= {"Written", "Counted", "Restored", "Compared"}
    assert sorted(file.name for file in path.iterdir()) == ["dump", "manifest.json"]
    assert (path.stat().st_mode & 0o777, path.parent) == (0o700, tmp_path)
    assert back.stdout.splitlines()[-1].startswith("0 bars as of ")


@pytest.mark.parametrize("words", [["restore", "/nowhere"], ["restore", "/"], ["restore", __file__]], ids=" ".join)
def test_what_is_no_backup_is_one_line_and_status_2(barhouse: Barhouse, words: list[str]) -> None:
    told = barhouse(*words)

    assert (told.exit_code, told.stdout) == (2, "")
    assert told.stderr.startswith("error ")
    assert "is no backup" in told.stderr
    assert told.stderr.count("\n") == 1


def test_a_warehouse_in_use_names_its_users_in_one_line(barhouse: Barhouse, database_url: str, tmp_path: Path) -> None:
    path = barhouse("backup", "--out", tmp_path, "--no-verify").stdout.splitlines()[-2]

    with psycopg.connect(database_url, application_name="a notebook"):
        told = barhouse("restore", path)

    assert told.exit_code == 2
    assert "in use by a notebook" in told.stderr
    assert told.stderr.count("\n") == 1
