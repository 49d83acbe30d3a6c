"""The file of settings as it may be begun with: all there is, with its meaning and default, nothing told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from barhouse.config.fields import Settings
from barhouse.config.origins import Place, Setting, known, value

HEAD = """\
# Settings of Barhouse, in TOML. What is not told here, or is commented out, is as the line says.
# A variable of the environment goes before this file; `barhouse config show` tells who says what.
# With a key or a password in it, the file is nobody else's to read: chmod 600.
"""


def sample() -> str:
    """The text of such a file."""
    defaults = Settings.model_construct()
    every = list(known())
    plain = [line for each in every if len(each.place) == 1 for line in _told(each, defaults)]
    parted = _sections([each for each in every if len(each.place) > 1], defaults)
    return "\n".join([HEAD, *plain[:-1], *parted, ""])


def _sections(settings: list[Setting], defaults: Settings) -> Iterator[str]:
    """The sections, each under its name; what they have in common is explained once."""
    section: Place = ()
    explained = set[str]()
    for each in settings:
        if each.place[:-1] != section:
            section = each.place[:-1]
            yield from ("", f"[{'.'.join(section)}]")
        words = each.field.description or ""
        yield from ([f"# {words}"] if words not in explained else []) + [_line(each, defaults)]
        explained.add(words)


def _told(setting: Setting, defaults: Settings) -> Iterator[str]:
    yield from (f"# {setting.field.description}", _line(setting, defaults), "")


def _line(setting: Setting, defaults: Settings) -> str:
    given = value(defaults, setting.place)
    shown = (setting.field.examples or [""])[0] if given is None else given
    return f"# {setting.place[-1]} = {toml(shown)}"


def toml(given: Any) -> str:
    """A value as TOML has it: as JSON does, for what settings are."""
    return json.dumps(str(given) if isinstance(given, Path) else given, ensure_ascii=False)
