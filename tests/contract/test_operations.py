"""What docs/operations.md tells an operator to do can be done."""

from __future__ import annotations

import re
from typing import Any

import pytest
import typer

from barhouse.alerts.rules import RULES
from barhouse.api.app import create
from barhouse.cli.commands import VERBS, app
from barhouse.config import Settings
from tests.integration.embedded_servers import REPOSITORY

PAGE = (REPOSITORY / "docs" / "operations.md").read_text(encoding="utf-8")
COMMANDS = sorted(set(re.findall(r"\bbarhouse ((?:[a-z]+|--[a-z-]+)(?: (?:[a-z]+|--[a-z-]+|[/\w.…:-]+))*)", PAGE)))
PLACED = [words for words in map(str.split, COMMANDS) if words[0] in VERBS]


@pytest.mark.parametrize("words", PLACED, ids=" ".join)
def test_every_command_of_the_page_exists_with_its_options(words: list[str]) -> None:
    group: Any = typer.main.get_group(app)
    command = group.get_command(None, words[0])
    if hasattr(command, "commands") and len(words) > 1:
        command = command.commands[words[1]]

    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    assert {word for word in words if word.startswith("--")} <= known


def test_the_page_tells_of_the_commands_that_matter() -> None:
    assert {words[0] for words in PLACED} >= {"backup", "restore", "doctor", "status", "up", "worker", "jobs"}


@pytest.mark.parametrize("rule", [rule.name for rule in RULES])
def test_the_page_says_what_to_do_for_each_alert(rule: str) -> None:
    assert re.search(rf"^\| `{rule}` \| .+ \| .+ \|$", PAGE, re.MULTILINE)


def test_every_endpoint_of_the_page_is_served() -> None:
    served = create(Settings.model_validate({"database_url": None})).openapi()["paths"]
    named = set(re.findall(r"`GET (/[\w/-]+)`", PAGE))

    assert named
    assert named <= set(served)


def test_every_variable_of_the_page_is_a_setting() -> None:
    names = set(re.findall(r"BARHOUSE_([A-Z_]+)", PAGE))

    assert names
    assert {name.lower() for name in names} <= set(Settings.model_fields)
