"""Whatever Barhouse offers is documented, and by the words of the code itself."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from barhouse import checks, features
from barhouse.config.origins import known

REPOSITORY = Path(__file__).parents[2]
DOCS = REPOSITORY / "docs"


def test_the_reference_says_what_the_code_says() -> None:
    made = subprocess.run(
        [sys.executable, str(REPOSITORY / "scripts" / "reference.py")], capture_output=True, text=True, check=False
    )

    assert made.returncode == 0, made.stderr
    page = (DOCS / "reference.md").read_text(encoding="utf-8")
    assert page == made.stdout, "docs/reference.md is behind the code: python scripts/reference.py --write"


def test_nothing_in_the_reference_is_without_a_meaning() -> None:
    page = (DOCS / "reference.md").read_text(encoding="utf-8")

    assert not re.findall(r"^\| `.*\| +\|$", page, re.MULTILINE)
    assert not re.findall(r"^### .*\n\n(?=#|\|)", page, re.MULTILINE)


@pytest.mark.parametrize("name", [*(each.name for each in known()), *checks.registry, *features.registry])
def test_every_setting_check_and_feature_is_in_the_reference(name: str) -> None:
    page = (DOCS / "reference.md").read_text(encoding="utf-8").lower()

    assert f"`{name}`" in page


def test_every_decision_is_in_the_index() -> None:
    index = (DOCS / "decisions" / "README.md").read_text(encoding="utf-8")
    decisions = sorted(path.name for path in (DOCS / "decisions").glob("[0-9]*.md"))

    assert decisions
    assert [name for name in decisions if f"({name})" not in index] == []
    assert len({name[:4] for name in decisions}) == len(decisions)
