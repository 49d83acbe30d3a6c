"""Settings as they are read from a file, beside the environment."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from barhouse.config import Settings, choose, settings

Reading = Callable[..., Settings]


@pytest.fixture
def reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reading]:
    """What comes of a file's text and of variables."""
    for name in [*os.environ]:
        if name.upper().startswith("BARHOUSE_"):
            monkeypatch.delenv(name)

    def read(text: str = "", **variables: str) -> Settings:
        path = tmp_path / "barhouse.toml"
        path.write_text(text, encoding="utf-8")
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        choose(path)
        return settings()

    yield read
    choose(None)
