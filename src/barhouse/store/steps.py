"""The steps that make the schema: the SQL files of `database/migrations`, then a column for each feature."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from psycopg import sql

from barhouse.errors import MigrationError
from barhouse.store.queries import queries

FEATURE = "feature:"
"""How the ledger's entries of feature columns begin."""

_LEXEME = re.compile(r"""--[^\n]*|'[^']*'|"[^"]*"|\$(\w*)\$.*?\$\1\$|;|[^-'"$;]+|.""", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Step:
    """What is applied whole or not at all: its name in the ledger, the checksum of its text, its statements."""

    name: str
    checksum: str
    statements: tuple[bytes, ...]


def migrations() -> list[Step]:
    """The SQL files, lowest number first."""
    found = sorted((file for file in _folder().iterdir() if file.name.endswith(".sql")), key=lambda f: f.name)
    return [_file(file.name, file.read_text(encoding="utf-8")) for file in found]


def columns(features: Mapping[str, str]) -> list[Step]:
    """A step for each feature (name to SQL type)."""
    return [
        Step(f"{FEATURE}{name}", _checksum(sql_type), (_column(name, sql_type),)) for name, sql_type in features.items()
    ]


def _folder() -> Traversable:
    """Where the files lie: inside an installed package, or beside `src` in a checkout."""
    packaged = files("barhouse.store") / "migrations"
    checkout = Path(__file__).parents[3] / "database" / "migrations"
    for folder in (packaged, checkout):
        if folder.is_dir():
            return folder
    raise MigrationError(f"The migrations are in neither {packaged} nor {checkout}; install Barhouse anew")


def _file(name: str, text: str) -> Step:
    return Step(name, _checksum(text), tuple(statement.encode() for statement in _statements(text)))


def _checksum(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def _statements(script: str) -> Iterator[str]:
    """The statements of a script one by one, so that a refusal can name the one that it is about."""
    statement = ""
    for lexeme in _LEXEME.finditer(script):
        if lexeme[0] == ";":
            yield statement.strip()
            statement = ""
        elif not lexeme[0].startswith("--"):
            statement += lexeme[0]
    if statement.strip():
        yield statement.strip()


def _column(name: str, sql_type: str) -> bytes:
    add = sql.SQL(queries("migrations").add_feature.decode())
    return add.format(column=sql.Identifier(name), type=sql.SQL(sql_type)).as_bytes()
