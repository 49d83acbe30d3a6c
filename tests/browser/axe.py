"""Whether everybody can read and use a page, as axe-core sees it."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

HERE = Path(__file__).parent / "vendor" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa"]
RUN = "rules => axe.run(document, {runOnly: {type: 'tag', values: rules}, resultTypes: ['violations']})"


def violations(page: Page) -> list[str]:
    """What on this page breaks WCAG 2.2 A or AA, a line an element."""
    page.evaluate(_script())
    found: dict[str, Any] = page.evaluate(RUN, RULES)
    return [_line(rule, node) for rule in found["violations"] for node in rule["nodes"]]


def _line(rule: dict[str, Any], node: dict[str, Any]) -> str:
    why = " ".join(node["failureSummary"].split())
    return f"{rule['id']}: {node['target']} {node['html'][:120]}: {why[:300]}"


@lru_cache(maxsize=1)
def _script() -> str:
    return HERE.read_text(encoding="utf-8")
