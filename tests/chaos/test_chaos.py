"""A system of real processes is struck, and comes to the same end as one that was left in peace."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos import market
from tests.chaos.playing import played
from tests.chaos.scenarios import SHORT, Scenario
from tests.chaos.stage import made

GOAL = 120.0
"""Seconds until work goes on at the latest: the strictest of what is promised, for a busy machine."""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("made"))


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    yield market.shelved(tmp_path_factory.mktemp("shelf"))


@pytest.mark.parametrize("scenario", SHORT, ids=lambda scenario: f"seed-{scenario.seed}")
def test_whatever_is_killed_every_series_equals_the_vendors(template: Path, shelf: Path, scenario: Scenario) -> None:
    told = played(template, shelf, scenario)

    assert [what for what in told.times if what[1] > GOAL] == []
