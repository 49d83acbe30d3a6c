"""The versions that pip installs are those that uv installs."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_pip_and_uv_install_the_same_versions(name: str) -> None:
    packages = tomllib.loads((REPOSITORY / "uv.lock").read_text())["package"]
    locked = {(package["name"], package.get("version")) for package in packages}

    pinned = [line.partition(" ;")[0].strip() for line in (REPOSITORY / name).read_text().splitlines()]

    stale = [pin for pin in pinned if (pin.partition("==")[0].partition("[")[0], pin.partition("==")[2]) not in locked]
    assert not stale, f"{name} is behind uv.lock; `make lock` brings it up to date"


def test_what_the_project_depends_on_is_pinned_for_pip() -> None:
    project = next(
        package
        for package in tomllib.loads((REPOSITORY / "uv.lock").read_text())["package"]
        if package["name"] == "barhouse"
    )

    pinned = {
        line.partition("==")[0].partition("[")[0]
        for line in (REPOSITORY / "requirements.lock").read_text().splitlines()
    }

    assert {dependency["name"] for dependency in project["dependencies"]} <= pinned
