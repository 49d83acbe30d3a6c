"""All settings by name, and who says what each of them is."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from pydantic import AliasChoices, BaseModel, SecretStr
from pydantic.fields import FieldInfo

from barhouse.config import file
from barhouse.config.fields import BLANK, Settings

HIDDEN = "***"
"""What is told of a secret that is set."""

Place = tuple[str, ...]
"""Where a setting is: its name, behind those of its sections."""

PREFIX = "BARHOUSE_"

NO_FLAGS: Mapping[str, str] = MappingProxyType({})

OTHERS = ("BARHOUSE_CONFIG",)
"""Variables of ours that are no settings."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting as it may be told."""

    place: Place
    field: FieldInfo

    @property
    def name(self) -> str:
        """What it is called."""
        return ".".join(self.place)

    @property
    def meaning(self) -> str:
        """What it is for."""
        return self.field.description or ""

    @property
    def is_secret(self) -> bool:
        """Whether nobody may see its value."""
        return self.field.annotation == SecretStr | None

    @property
    def variables(self) -> list[str]:
        """The names of its environment variables; the first one wins."""
        alias = self.field.validation_alias
        return [str(each) for each in alias.choices] if isinstance(alias, AliasChoices) else [_ours(self.place)]


def known(model: type[BaseModel] = Settings, above: Place = ()) -> Iterator[Setting]:
    """Every setting, those of a section behind one another."""
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from known(field.annotation, (*above, name))
        else:
            yield Setting((*above, name), field)


def sections() -> set[str]:
    """Every section, and those in them."""
    return {".".join(each.place[:deep]) for each in known() for deep in range(1, len(each.place))}


def value(settings: Settings, place: Place) -> Any:
    """What a setting is."""
    found: Any = settings
    for name in place:
        found = getattr(found, name)
    return found


def origin(setting: Setting) -> str:
    """Who says what a setting is: the variable NAME, the file PATH, or nobody: `default`."""
    return variable(setting.place) or written(setting.place) or "default"


@dataclass(frozen=True, slots=True)
class Told:
    """A setting with its value, a secret hidden, and who says so."""

    name: str
    value: Any
    origin: str
    """A flag, a variable, a file, or `default`."""
    description: str

    @property
    def spoken(self) -> str:
        """The value for people."""
        match self.value:
            case None:
                return "-"
            case bool():
                return str(self.value).lower()
            case tuple():
                return " ".join(self.value)
            case _:
                return str(self.value)


def told(settings: Settings, flags: Mapping[str, str] = NO_FLAGS) -> list[Told]:
    """All settings as they are, those of `flags` by the flag that says it."""
    return [
        Told(each.name, _shown(value(settings, each.place)), flags.get(each.name) or origin(each), each.meaning)
        for each in known()
    ]


def _shown(value: object) -> object:
    return HIDDEN if isinstance(value, SecretStr) else value


def variable(place: Place) -> str | None:
    """The variable that tells a setting, itself or with its whole section; None where none does."""
    given = {name.lower(): (name, said) for name, said in os.environ.items() if said or place[-1] in BLANK}
    itself = next((each.variables for each in known() if each.place == place), [_ours(place)])
    for name in itself:
        if name.lower() in given:
            return given[name.lower()][0]
    for deep in range(len(place) - 1, 0, -1):
        name, said = given.get(_ours(place[:deep]).lower(), ("", ""))
        if said and _within(json.loads(said), place[deep:]):
            return name
    return None


def written(place: Place) -> str | None:
    """The file that tells a setting; None where it does not."""
    return str(file.place()) if _within(file.told(), place) else None


def secrets(told: Mapping[str, Any]) -> list[str]:
    """The secrets that a file tells."""
    return [each.name for each in known() if each.is_secret and _within(told, each.place)]


def count(told: Mapping[str, Any]) -> int:
    """How many settings a file tells."""
    return sum(_within(told, each.place) for each in known())


def unread() -> list[str]:
    """The variables that are named like ours, and that nothing reads."""
    names = {name.lower() for each in known() for name in each.variables}
    names |= {_ours(tuple(each.split("."))).lower() for each in sections()} | {name.lower() for name in OTHERS}
    return sorted(name for name in os.environ if name.upper().startswith(PREFIX) and name.lower() not in names)


def _ours(place: Place) -> str:
    return PREFIX + "__".join(place).upper()


def _within(told: Any, place: Place) -> bool:
    for name in place:
        if not isinstance(told, Mapping) or name not in told:
            return False
        told = told[name]
    return True
