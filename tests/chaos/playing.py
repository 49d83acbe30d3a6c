"""A scenario is played on a stage, and what must hold afterwards is held against it."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import LiteralString

import psycopg

from barhouse import DatabaseService
from barhouse.flow.jobs import catch_up
from tests.chaos.invariants import broken
from tests.chaos.scenarios import Scenario
from tests.chaos.stage import QUIET, Stage, Told, play, staged, stuck

WORDS = 1500
"""So much of what each process said last is told of a failure."""

OPEN, AGAIN = 150.0, 20.0
"""Seconds in which breakers that were open must have closed, and from one try to the next."""


class Broken(AssertionError):
    """Something that must hold does not."""


def played(template: Path, shelf: Path, scenario: Scenario) -> Told:
    """What was measured in a scenario; Broken names all that does not hold when it is over."""
    with staged(template, shelf, scenario) as stage:
        try:
            play(stage, scenario)
            _hold(broken(stage, complete=False), "at rest")
            _once_more(stage)
            _hold(broken(stage, complete=True), "after one more run, without faults")
        except AssertionError as failure:
            raise Broken(f"{failure}\n{_words(stage)}\n{scenario}") from failure
        return stage.told


def _once_more(stage: Stage) -> None:
    """A run after the faults have ended, and another for each minute that circuit breakers of processes are open."""
    stage.follow("")
    deadline = time.monotonic() + OPEN
    with DatabaseService(stage.url) as db:
        catch_up(db, datetime.now(UTC), by="chaos")
        stage.until(lambda: stuck(stage), QUIET)
        while _shut_out(stage) and time.monotonic() < deadline:
            time.sleep(AGAIN)
            catch_up(db, datetime.now(UTC), by="chaos")
            stage.until(lambda: stuck(stage), QUIET)


SHUT_OUT: LiteralString = """
SELECT FROM (SELECT DISTINCT ON (symbol, asset_class, timeframe) error_message FROM backfill_state_persistent
             ORDER BY symbol, asset_class, timeframe, completed_at DESC) AS latest
WHERE error_message LIKE '%Circuit breaker%'
"""


def _shut_out(stage: Stage) -> bool:
    """Whether vendors were not asked, since a breaker was open."""
    with psycopg.connect(stage.url) as connection:
        return bool(connection.execute(SHUT_OUT).fetchall())


def _hold(wrong: list[str], when: str) -> None:
    if wrong:
        raise Broken("\n".join([f"What does not hold {when}:", *wrong]))


def _words(stage: Stage) -> str:
    """The last words of every process that was there."""
    parts = [f"--- {name}\n{program.said()[-WORDS:]}" for name, program in stage.programs.items() if program.said()]
    return "\n".join([*parts, *stage.told.notes])
