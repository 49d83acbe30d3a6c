"""What others wrote, shown in a terminal: letter by letter, neither as markup nor as a code."""

from __future__ import annotations

import shlex

import pytest

from barhouse.cli.advice import advice
from barhouse.flow.correct import correct
from barhouse.flow.quality import acknowledge_anomaly, listed_anomalies
from barhouse.flow.sweep import sweep
from barhouse.model import Instrument, instant
from barhouse.store.anomalies import Wanted
from barhouse.store.postgres import Database
from tests.contract.cli.conftest import Barhouse
from tests.integration.doubled import asked, done
from tests.integration.test_sweep import IN_TIME, stored, week

HOSTILE = "[red]\x1b[2Jann[/red]\x9b31m<script>"
SEEN = "[red]␛[2Jann[/red]�31m<script>"


@pytest.fixture
def faulty(db: Database) -> Database:
    """A gap that somebody of an odd name has seen, and a bar that they corrected."""
    sweep(db, [stored(db, "AAPL", week(4, 7, 8))], IN_TIME)
    [row] = listed_anomalies(db, Wanted("AAPL"))
    acknowledge_anomaly(db, row["id"], HOSTILE)
    correct(db, "AAPL", "2024-03-07", {"close": 10.2}, reason=HOSTILE, author=HOSTILE)
    return db


def test_a_name_is_neither_markup_nor_a_code(faulty: Database, barhouse: Barhouse) -> None:
    [(before,)] = asked(faulty, "SELECT min(correction_timestamp) - interval '1 millisecond' FROM data_corrections")

    for words in (("quality", "AAPL"), ("diff", "AAPL", "--since", instant(before))):
        told = barhouse(*words, COLUMNS="300")
        assert told.exit_code == 0, told.output
        assert SEEN in told.output, words
        assert "\x1b" not in told.output


def test_nor_is_a_symbol_that_another_tool_wrote(db: Database, barhouse: Barhouse) -> None:
    done(
        db,
        "INSERT INTO market_data (symbol, asset_class, timeframe, time, open, high, low, close, volume)"
        " VALUES (e'[red]\\x1b[2J', 'stock', '1d', '2024-03-05 00:00Z', 10, 10.5, 9.5, 10, 1000)",
    )

    for words in (("status",), ("quality",), ("quality", "[red]\x1b[2J"), ("bars", "[red]\x1b[2J")):
        told = barhouse(*words)
        assert (told.exit_code, "\x1b" in told.output) == (0, False), (words, told.output)
        assert "[red]␛[2J" in told.output, words


def test_a_command_to_be_pasted_runs_nothing_else() -> None:
    row = {"anomaly_type": "duplicate", "evidence": {}, "timeframe": "1d"}

    [line] = advice(Instrument("A;$(touch x)"), [row])

    assert shlex.split(line)[:4] == ["barhouse", "duplicates", "clean", "A;$(touch x)"]


def test_nor_is_what_a_refusal_repeats(db: Database, barhouse: Barhouse) -> None:
    told = barhouse("quality", HOSTILE)

    assert told.exit_code == 2
    assert "[red]" in told.output
    assert "\x1b" not in told.output
