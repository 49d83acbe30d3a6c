"""`barhouse duplicates` and `barhouse quarantine`, as people call them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from tests.contract.cli.conftest import Barhouse

Asked = Callable[[str], list[tuple[object, ...]]]

DOUBLED = """
INSERT INTO market_data (symbol, asset_class, timeframe, time, open, high, low, close, volume, source, validated)
VALUES ('ACME', 'stock', '1d', '2012-01-03 00:00Z', 10, 11, 9, 10, 5, 'elsewhere', true),
       ('ACME', 'stock', '1d', '2012-01-03 05:00Z', 10, 11, 9, 10.5, 5, 'elsewhere', false)
"""
SIGNED = ("--reason", "the exchange says so", "--author", "ada")


@pytest.fixture
def asked(database_url: str) -> Iterator[Asked]:
    """What SQL says."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(DOUBLED.encode())
        yield lambda statement: connection.execute(statement.encode()).fetchall()


def test_duplicates_are_shown_cleaned_and_brought_back(barhouse: Barhouse, asked: Asked) -> None:
    preview = barhouse("duplicates", "clean", "--dry-run")
    assert preview.exit_code == 0, preview.output
    assert "2012-01-03T00:00:00Z" in preview.stdout
    assert "1 bars in 1 slots would be removed" in preview.stdout
    assert asked("SELECT count(*) FROM bar") == [(2,)]

    assert "1 bars in 1 slots removed" in barhouse("duplicates", "clean", "ACME").stdout
    assert barhouse("duplicates", "clean").stdout == "No slot holds two bars.\n"
    [(number,)] = asked("SELECT id FROM duplicate_records_log")
    assert "2012-01-03T05:00:00Z" in barhouse("duplicates", "list", "acme").stdout

    undone = barhouse("duplicates", "undo", number)

    assert undone.stdout == "1 bar is back in the slot of ACME 1d at 2012-01-03T00:00:00Z\n"
    assert asked("SELECT count(*) FROM bar") == [(2,)]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("duplicates", "undo", "99"), "No cleanup has the number 99"),
        (("duplicates", "clean", "NOBODY"), "is not tracked"),
        (("duplicates", "clean", "--timeframe", "2h"), "Invalid timeframes"),
        (("quarantine", "release", "99", *SIGNED), "has the number 99"),
        (("quarantine", "reject", "99", "--reason", " ", "--author", "ada"), "needs a reason and an author"),
        (("quarantine", "rejudge", "ACME", "--id", "3"), "not both"),
    ],
)
def test_what_cannot_be_is_one_line_and_status_2(
    barhouse: Barhouse, asked: Asked, words: tuple[str, ...], said: str
) -> None:
    told = barhouse(*words)

    assert told.exit_code == 2
    assert said in told.stderr
    assert asked("SELECT count(*) FROM bar") == [(2,)]


def test_rows_of_a_file_are_shown_and_decided_over(barhouse: Barhouse, asked: Asked, tmp_path: Path) -> None:
    file = tmp_path / "acme.csv"
    file.write_text(
        "date,open,high,low,close,volume\n2012-01-04,10,8,9,10,5\n2012-01-05,10,11,9,,5\n2012-01-06,1,1,1,1,[1]\n"
    )
    barhouse("import", file, "--symbol", "ACME")
    impossible, short = (asked(f"SELECT id FROM quarantine WHERE time = '2012-01-0{day}'")[0][0] for day in (4, 5))

    listed = barhouse("quarantine", "list", "ACME")
    assert listed.exit_code == 0, listed.output
    assert "high_too_low" in listed.stdout
    assert '"volume": "[1]"' in listed.stdout
    assert "3 rows judged again, 0 of them are bars now" in barhouse("quarantine", "rejudge", "ACME").stdout
    assert barhouse("quarantine", "release", short, *SIGNED).exit_code == 2
    assert "1 released" in barhouse("quarantine", "release", impossible, *SIGNED).stdout
    assert "1 rejected" in barhouse("quarantine", "reject", short, *SIGNED).stdout

    assert asked("SELECT high, validated FROM bar WHERE time = '2012-01-04'") == [(8, False)]
    assert "No such row" in barhouse("quarantine", "list", "--status", "released", "--reason", "off_grid").stdout
    assert "released" in barhouse("quarantine", "list", "--status", "released").stdout
