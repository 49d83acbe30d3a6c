"""The file of settings: where it lies, and what it says."""

from __future__ import annotations

import os
import stat
import tomllib
from pathlib import Path
from typing import Any

from barhouse.errors import SettingsError

NAME = "barhouse.toml"

PRIVATE = stat.S_IRWXG | stat.S_IRWXO
"""What nobody but the owner may do with a file that holds a secret."""


class _Chosen:
    """The file that the command line names, if it names one."""

    path: Path | None = None


def choose(path: Path | None) -> None:
    """Let this process read its settings from `path`; None leaves it to the environment."""
    _Chosen.path = path


def home() -> Path:
    """Where the file lies if nobody says otherwise: root's under /etc, others' where their system keeps such things.

    The working directory is not looked into: a stranger's file there could send our keys to a host of theirs.
    """
    if given := os.environ.get("XDG_CONFIG_HOME"):
        return Path(given) / "barhouse" / NAME
    return (Path("/etc") if os.geteuid() == 0 else Path.home() / ".config") / "barhouse" / NAME


def place() -> Path | None:
    """The file that counts: `--config`, else BARHOUSE_CONFIG, else that at `home()` if there is one."""
    if named := _Chosen.path or os.environ.get("BARHOUSE_CONFIG"):
        return Path(named).expanduser()
    return home() if os.path.lexists(home()) else None


def told() -> dict[str, Any]:
    """What the file that counts says; nothing where there is none."""
    path = place()
    return {} if path is None else read(path)


def read(path: Path) -> dict[str, Any]:
    """What a file says; SettingsError naming it where it cannot be read, or is no TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError:
        raise SettingsError(f"{path} cannot be read: it is no UTF-8 text") from None
    except tomllib.TOMLDecodeError as flaw:
        raise SettingsError(f"{path} cannot be read: {flaw}") from None
    except OSError as flaw:
        raise SettingsError(f"{path} cannot be read: {flaw.strerror or flaw}") from None


def is_open(path: Path) -> bool:
    """Whether others than its owner may read or change a file."""
    return bool(path.stat().st_mode & PRIVATE)
