"""Which faults befall which calls: a few words on a command line, or a file."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from barhouse.api.faults.kinds import Fault, Option, registry
from barhouse.api.faults.rows import WIRES
from barhouse.errors import SettingsError

Word = str | float | bool
"""A value as a script has it: TOML has numbers, a command line has texts."""


@dataclass(frozen=True, slots=True)
class When:
    """The calls that a fault befalls: those of a vendor and path, then by their count, then by lot."""

    vendor: str | None = None
    """All vendors without it."""
    path: str = ""
    """A part of the path with its query: `/v2/aggs`, or `AAPL`."""
    first: int = 1
    last: int | None = None
    """The window of calls, both ends included; without a last one it stays open."""
    every: int = 1
    """Each so many calls, beginning with that one."""
    each: bool = False
    """Whether each different request is counted by itself."""
    chance: float = 1.0

    def concerns(self, vendor: str, target: str) -> bool:
        """Whether a call is one of those that are counted."""
        return self.vendor in {None, vendor} and self.path in target

    def falls_on(self, count: int, lot: float) -> bool:
        """Whether the call of that count, with that lot in [0, 1), is to be spoilt."""
        in_window = self.first <= count and (self.last is None or count <= self.last)
        return in_window and (count - self.first + 1) % self.every == 0 and lot < self.chance


@dataclass(frozen=True, slots=True)
class Rule:
    """A fault, how bad it is, and when it comes."""

    fault: Fault
    when: When
    options: Mapping[str, Option]


@dataclass(frozen=True, slots=True)
class Script:
    """The rules, all of which may befall one call, in their order; one `seed` draws the same lots each time."""

    rules: tuple[Rule, ...] = ()
    seed: int = 0


def script(told: str) -> Script:
    """The script in the file of that name, or in the words themselves; SettingsError says what cannot be read.

    Words: `limited every=5 retry_after=1; yahoo reset chance=0.1; seed=7`. A TOML file has `seed` and
    `[[fault]]` tables with `kind` and the same names.
    """
    path = Path(told)
    if path.suffix == ".toml":
        return _of_file(path)
    return _of_words(told)


def _of_file(path: Path) -> Script:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as flaw:
        raise SettingsError(f"The fault script {path.name} cannot be read: {flaw}") from flaw
    tables, seed = document.pop("fault", []), document.pop("seed", 0)
    if document or not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise SettingsError(f"The fault script {path.name} has `seed` and [[fault]] tables, and nothing else")
    return Script(tuple(_rule(str(table.pop("kind", "")), table) for table in tables), _whole("seed", seed))


def _of_words(told: str) -> Script:
    seed, rules = 0, []
    for statement in filter(None, (part.split() for part in told.split(";"))):
        names = [word for word in statement if "=" not in word]
        values = dict(word.split("=", 1) for word in statement if "=" in word)
        if not names and set(values) == {"seed"}:
            seed = _whole("seed", values["seed"])
            continue
        rules.append(_rule(*_kind(names, values)))
    return Script(tuple(rules), seed)


def _kind(names: Iterable[str], values: dict[str, str]) -> tuple[str, dict[str, Word]]:
    """The fault among the bare words of a statement; the vendor may be another one."""
    vendors = [name for name in names if name in WIRES]
    kinds = [name for name in names if name not in WIRES]
    if len(kinds) != 1 or len(vendors) > 1:
        raise SettingsError(f"A fault is written `[vendor] kind name=value …`, not {' '.join(names) or 'so'!r}")
    return kinds[0], {**({"vendor": vendors[0]} if vendors else {}), **values}


def _rule(kind: str, told: Mapping[str, Word]) -> Rule:
    if (fault := registry.get(kind)) is None:
        raise SettingsError(f"No fault {kind!r}; known are {', '.join(registry)}")
    when = {name: value for name, value in told.items() if name not in fault.options}
    options = {name: _option(name, value, fault.options[name]) for name, value in told.items() if name in fault.options}
    return Rule(fault, _when(kind, when), options)


def _when(kind: str, told: Mapping[str, Word]) -> When:
    known = {one.name for one in fields(When)} | {"calls"}
    if unknown := sorted(set(told) - known):
        options = ", ".join(registry[kind].options) or "no options of its own"
        raise SettingsError(f"{kind} has no {', '.join(unknown)}; it has {options}, and {', '.join(sorted(known))}")
    vendor = told.get("vendor")
    if vendor is not None and vendor not in WIRES:
        raise SettingsError(f"No vendor {vendor!r}; there are {', '.join(WIRES)}")
    window = _window(str(told["calls"])) if "calls" in told else (1, None)
    return When(
        None if vendor is None else str(vendor),
        str(told.get("path", "")),
        _whole("first", told.get("first", window[0]), least=1),
        _whole("last", told["last"], least=1) if "last" in told else window[1],
        _whole("every", told.get("every", 1), least=1),
        _truth("each", told.get("each", False)),
        _share("chance", told.get("chance", 1.0)),
    )


def _window(told: str) -> tuple[int, int | None]:
    """`3-7`, `3-`, `-7` or `3` as the first and the last call."""
    first, dash, last = told.partition("-")
    begin = _whole("calls", first or 1, least=1)
    return begin, (_whole("calls", last, least=begin) if last else None) if dash else begin


def _option(name: str, told: Word, default: Option) -> Option:
    """An option in the type of its default."""
    if isinstance(default, bool):
        return _truth(name, told)
    if isinstance(default, int):
        return _whole(name, told)
    return _share(name, told) if name in {"share", "after"} else _number(name, told)


def _number(name: str, told: Word) -> float:
    try:
        return float(told)
    except ValueError:
        raise SettingsError(f"{name} is a number, not {told!r}") from None


def _share(name: str, told: Word) -> float:
    number = _number(name, told)
    if not 0 <= number <= 1:
        raise SettingsError(f"{name} is a share between 0 and 1, not {told}")
    return number


def _whole(name: str, told: Word, least: int | None = None) -> int:
    number = _number(name, told)
    if not number.is_integer() or (least is not None and number < least):
        raise SettingsError(f"{name} is a whole number{f' from {least} on' if least else ''}, not {told!r}")
    return int(number)


def _truth(name: str, told: Word) -> bool:
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if (truth := words.get(str(told).lower())) is None:
        raise SettingsError(f"{name} is true or false, not {told!r}")
    return truth
