"""The reference out of the code itself: `python scripts/reference.py` prints it, `--write` puts it into docs/."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from inspect import cleandoc
from pathlib import Path
from typing import Any

import typer
from pydantic_core import PydanticUndefined
from typer.core import TyperCommand, TyperGroup

from barhouse import checks, features
from barhouse.api.app import create
from barhouse.cli.commands import app
from barhouse.config import Settings
from barhouse.config.origins import Setting, known, value
from barhouse.features.registry import Feature

PAGE = Path(__file__).parents[1] / "docs" / "reference.md"

HEAD = """
# Reference

Made from the code by `python scripts/reference.py --write`; a test fails when the two differ.

- [Commands](#commands)
- [Endpoints](#endpoints)
- [Settings](#settings)
- [Checks](#checks)
- [Features](#features)
"""

SETTINGS = """
Told by a flag, a variable of the environment, or the file `barhouse.toml`, in that order; read once, when Barhouse
starts. Where two variables are given the first one wins. A name with dots is that of a setting in a section of the
file. [Configuration](configuration.md) tells where the file lies.
"""

CHECKS = """
A bar that fails a *hard* check goes to the quarantine, with the reason and the vendor's own row; a *flag* stays on
the bar and lowers its quality score.
"""

FEATURES = """
Each is a column of `bar_feature`, NULL until enough bars came before, and never looks ahead. Those marked *crypto*
are NULL for stocks and ETFs.
"""


def reference() -> str:
    """The whole page."""
    parts = [
        (HEAD, []),
        ("## Commands", commands()),
        ("## Endpoints", endpoints()),
        ("## Settings\n" + SETTINGS, settings()),
        ("## Checks\n" + CHECKS, known_checks()),
        ("## Features\n" + FEATURES, known_features()),
    ]
    page = "\n\n".join("\n".join([head.strip(), "", *lines]).strip() for head, lines in parts)
    return re.sub(r"\n{3,}", "\n\n", page) + "\n"


def commands() -> Iterator[str]:
    """Every command, as its own help tells it."""
    group = typer.main.get_group(app)
    for path, command in walk(group, "barhouse"):
        yield from (f"### `{path}`", "", plain(cleandoc(command.help or "")), "")
        yield from table(("Parameter", "Meaning"), parameters(command))
        yield ""


def plain(help_text: str) -> str:
    """The help of a command in Markdown: what is bold in a terminal is code on a page."""
    return re.sub(r"\[bold\](.*?)\[/\]", r"`\1`", help_text)


def walk(group: TyperGroup, path: str) -> Iterator[tuple[str, TyperCommand]]:
    """The commands in `group`, each with the words that call it."""
    context = typer.Context(group)
    for name in group.list_commands(context):
        match group.get_command(context, name):
            case TyperGroup() as inner:
                yield from walk(inner, f"{path} {name}")
            case TyperCommand(hidden=False) as command:
                yield f"{path} {name}", command


def parameters(command: TyperCommand) -> Iterator[Sequence[str]]:
    """The rows of what may be given to a command."""
    context = typer.Context(command)
    for one in command.params:
        if told := one.get_help_record(context):
            yield f"`{told[0]}`", told[1]


def endpoints() -> Iterator[str]:
    """Every endpoint, as OpenAPI describes it."""
    for path, methods in create(Settings()).openapi()["paths"].items():
        for method, operation in methods.items():
            yield from (f"### `{method.upper()} {path}`", "", operation.get("description", "").strip(), "")
            yield from table(("Parameter", "Default", "Meaning"), map(argument, operation.get("parameters", [])))
            yield ""


def argument(one: dict[str, Any]) -> Sequence[str]:
    """The row of an endpoint's parameter."""
    default = "required" if one.get("required") else spelled(one["schema"].get("default"))
    return f"`{one['name']}`", default, one.get("description", "")


def settings() -> Iterator[str]:
    """Every setting, by its name in the file and those of its environment variables."""
    defaults = Settings.model_construct()
    return table(("Setting", "Variable", "Default", "Meaning"), (setting(each, defaults) for each in known()))


def setting(one: Setting, defaults: Settings) -> Sequence[str]:
    """A setting's row."""
    given = "depends on the system" if one.field.default_factory else spelled(value(defaults, one.place))
    return f"`{one.name}`", " ".join(f"`{name}`" for name in one.variables), given, one.field.description or ""


def known_checks() -> Iterator[str]:
    """Every check with its severity and what it says of a bar that fails."""
    rows = ((f"`{one.name}`", one.kind, one.severity, cleandoc(one.doc)) for one in checks.registry.values())
    return table(("Check", "Kind", "Severity", "What is wrong with the bar"), rows)


def known_features() -> Iterator[str]:
    """Every feature with its type and meaning, in the order of the columns."""
    rows = ((f"`{one.name}`", one.sql_type, meaning(one)) for one in features.registry.values())
    return table(("Feature", "Type", "Meaning"), rows)


def meaning(one: Feature) -> str:
    """What a feature says, and for whom."""
    return f"*crypto* {one.doc}" if one.crypto_only else one.doc


def spelled(default: object) -> str:
    """A default as a reader of the page would give it."""
    if default is None or default is PydanticUndefined or default == () or default == "":
        return ""
    match default:
        case bool():
            return f"`{str(default).lower()}`"
        case tuple():
            return f"`{' '.join(map(str, default))}`"
        case _:
            return f"`{default}`"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """A table in Markdown, nothing if it has no rows."""
    lines = [" | ".join(" ".join(cell.replace("|", "\\|").split()) for cell in row) for row in rows]
    if lines:
        yield f"| {' | '.join(head)} |"
        yield f"|{' --- |' * len(head)}"
        yield from (f"| {line} |" for line in lines)


def main() -> None:
    """Print the page, or write it."""
    if "--write" in sys.argv[1:]:
        PAGE.write_text(reference(), encoding="utf-8")
    else:
        print(reference(), end="")


if __name__ == "__main__":
    main()
