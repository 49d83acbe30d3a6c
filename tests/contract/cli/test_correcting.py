"""Corrections on the command line."""

from __future__ import annotations

import pytest

from barhouse.model import Series
from barhouse.store.postgres import Database
from tests.answers import real
from tests.contract.cli.conftest import Barhouse
from tests.integration.test_rewrite import asked, stored

ROWS = real("AAPL")[:30]
DAY = ROWS["time"][20]


@pytest.fixture
def aapl(db: Database) -> Series:
    return stored(db, "AAPL", ROWS)


def test_a_correction_is_one_command_and_diff_shows_it(db: Database, aapl: Series, barhouse: Barhouse) -> None:
    [(then,)] = asked(db, "SELECT clock_timestamp()")
    words = ["correct", "aapl", f"{DAY:%Y-%m-%d}", "close=none"]
    who = ["--reason", "a typo", "--author", "Ada"]

    refused = barhouse(*words, *who)
    dry = barhouse(*words[:3], "volume=12345678.5", *who, "--dry-run")
    done = barhouse(*words[:3], "volume=12345678.5", *who)
    same = barhouse(*words[:3], "volume=12345678.5", *who)
    shown = barhouse("diff", "AAPL", "--since", then.isoformat())

    assert (refused.exit_code, dry.exit_code, done.exit_code, same.exit_code, shown.exit_code) == (2, 0, 0, 0, 0)
    assert "close: None is no value of a bar" in refused.output
    assert "nothing was changed" in dry.output
    assert "12,345,678.5" in done.output
    assert "says so already" in same.output
    assert "12,345,678.5" in shown.output
    assert "a typo" in shown.output
    assert asked(db, "SELECT field_corrected, new_value FROM data_corrections") == [("volume", 12345678.5)]


def test_a_bar_that_is_not_there_is_said_in_a_line(aapl: Series, barhouse: Barhouse) -> None:
    told = barhouse("correct", "AAPL", "2000-01-01", "close=1", "--reason", "a typo", "--author", "Ada")

    assert told.exit_code == 2
    assert "No bar of AAPL 1d starts at 2000-01-01T00:00:00Z" in told.output


@pytest.mark.parametrize("words", [["close"], ["close=abc"], ["klose=1"]])
def test_a_word_that_is_no_correction_is_refused(aapl: Series, barhouse: Barhouse, words: list[str]) -> None:
    told = barhouse("correct", "AAPL", f"{DAY:%Y-%m-%d}", *words, "--reason", "a typo", "--author", "Ada")

    assert told.exit_code == 2
    assert "error" in told.output
