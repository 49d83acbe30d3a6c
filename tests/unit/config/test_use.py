"""No setting is dead: each is read somewhere outside `barhouse.config`."""

from __future__ import annotations

import ast
from pathlib import Path

import barhouse
from barhouse.config.origins import known

SOURCE = Path(barhouse.__file__).parent


def read() -> set[str]:
    """The attributes that some module outside `config` reads, and the names that it looks up by text."""
    trees = [ast.parse(path.read_text("utf-8")) for path in SOURCE.rglob("*.py") if path.parent != SOURCE / "config"]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    return {node.attr for node in nodes if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)} | {
        node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def test_every_setting_is_read_by_the_code_that_it_names() -> None:
    found = read()

    assert [each.name for each in known() if not {*each.place} <= found] == []
