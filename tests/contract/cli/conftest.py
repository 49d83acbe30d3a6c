"""The command `barhouse` as people call it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest
from typer.testing import CliRunner, Result

from barhouse.cli.commands import app
from barhouse.config import settings

Barhouse = Callable[..., Result]

NOWHERE = "http://127.0.0.1:9"
"""A vendor that nobody answers for."""


def without_settings() -> dict[str, str | None]:
    """What clears the settings of whoever runs the tests."""
    names = [name for name in os.environ if name.startswith("BARHOUSE_")]
    return {**dict.fromkeys(names), "DATABASE_URL": None, "POLYGON_API_KEY": None, "COLUMNS": "200"}


@pytest.fixture
def barhouse(database_url: str) -> Iterator[Barhouse]:
    """Runs a command on a warehouse of the test's own, in this process; settings by their variables."""

    def run(*words: object, **variables: str | None) -> Result:
        settings.cache_clear()
        env = {**without_settings(), "DATABASE_URL": database_url, **variables}
        return CliRunner().invoke(app, [str(word) for word in words], env=env)

    yield run
    settings.cache_clear()
