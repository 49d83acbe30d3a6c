"""The settings of this process, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path

import pydantic_settings
from pydantic import ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from barhouse.config import file
from barhouse.config.fields import Settings
from barhouse.config.origins import Place, known, secrets, sections, unread, variable, written
from barhouse.errors import SettingsError


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings of this process, read once; SettingsError naming what cannot be used, and who said it."""
    try:
        return Settings()
    except ValidationError as flaw:
        raise SettingsError(f"The settings cannot be used: {_wrong(flaw)}") from None
    except pydantic_settings.SettingsError as flaw:
        raise SettingsError(f"The settings cannot be used: {_no_json(flaw)}") from None


def choose(path: Path | None) -> None:
    """Let this process read its settings from the file `path`; None leaves it to the environment."""
    file.choose(path)
    settings.cache_clear()


class _Alone(Settings):
    """The settings as they are without an environment."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)


def check(path: Path) -> Settings:
    """The settings as a file alone has them; SettingsError for one that cannot be used."""
    told = file.read(path)
    try:
        return _Alone(**told)
    except ValidationError as flaw:
        raise SettingsError(f"{path} cannot be used: {_wrong(flaw, alone=True)}") from None


def doubts() -> list[str]:
    """What works, but hardly as somebody meant it: secrets that others may read, variables that nothing reads."""
    path = file.place()
    names = {name for each in known() for name in each.variables}
    strangers = [f"{name} is a variable that nothing reads{near(name.upper(), names)}" for name in unread()]
    return [*(exposed(path) if path else []), *strangers]


def exposed(path: Path) -> list[str]:
    """Whether others may read the secrets of a file, as a line that says so."""
    told = secrets(file.read(path))
    if not told or not file.is_open(path):
        return []
    return [f"{path} holds {', '.join(told)}, and others than its owner may read it: chmod 600 {path}"]


def near(name: str, names: Iterable[str]) -> str:
    """The question whether a name was meant that is known; nothing where none is like it."""
    found = get_close_matches(name, sorted(names), 1)
    return f"; is {found[0]} meant?" if found else ""


def _wrong(flaw: ValidationError, *, alone: bool = False) -> str:
    return "; ".join(_said(each["type"], _place(each["loc"]), each["msg"], alone=alone) for each in flaw.errors())


def _said(kind: str, place: Place, words: str, *, alone: bool) -> str:
    """What is wrong with a setting, and, if there may be several, who said so."""
    name = ".".join(place)
    who = None if alone else variable(place) or written(place)
    whose = f"{name} ({who})" if who else name
    if kind == "extra_forbidden":
        return f"{whose} is no setting{near(name, {*sections(), *(each.name for each in known())})}"
    return f"{whose}: {words.removeprefix('Value error, ')}"


def _no_json(flaw: pydantic_settings.SettingsError) -> str:
    """Which variable should be a section in JSON, and is not."""
    name = str(flaw).partition('"')[2].partition('"')[0]
    return (
        f"{name} ({variable((name,))}): a whole section is told in JSON, one setting of it by {variable((name,))}__NAME"
    )


def _place(told: tuple[int | str, ...]) -> Place:
    """A setting by its own name where it was found by that of a variable."""
    aliases = {name: each.place[0] for each in known() if len(each.place) == 1 for name in each.variables}
    first, *rest = [name for name in told if isinstance(name, str)]
    return (aliases.get(first, first), *rest)
