"""The migration files as files: named, numbered, and split into the statements that they hold."""

from __future__ import annotations

import re
from pathlib import Path

from barhouse.store.steps import migrations

DATABASE = Path(__file__).parents[2] / "database"


def test_files_are_numbered_without_a_gap_and_named_by_their_purpose() -> None:
    names = sorted(path.name for path in (DATABASE / "migrations").iterdir())

    assert [name[:3] for name in names] == [f"{number:03}" for number in range(1, len(names) + 1)]
    assert all(re.fullmatch(r"\d{3}(_[a-z0-9]+)+\.sql", name) for name in names)


def test_the_enrichment_tables_stand_beside_the_migrations_unchanged() -> None:
    migration = (DATABASE / "migrations" / "011_enrichment_tables.sql").read_bytes()

    assert (DATABASE / "sql" / "enrichment_tables.sql").read_bytes() == migration


def test_a_statement_ends_neither_in_a_function_nor_in_a_string_nor_in_a_comment() -> None:
    view = next(step for step in migrations() if step.name.startswith("006"))

    heads = [statement.split(b"(")[0].split(b" AS")[0] for statement in view.statements]

    assert [head.splitlines()[0] for head in heads] == [
        b"CREATE OR REPLACE FUNCTION bar_id",
        b"CREATE OR REPLACE VIEW market_data",
        b"CREATE OR REPLACE FUNCTION market_data_instrument",
        b"CREATE OR REPLACE FUNCTION market_data_source",
        b"CREATE OR REPLACE FUNCTION market_data_insert",
        b"DROP TRIGGER IF EXISTS market_data_insert ON market_data",
        b"CREATE TRIGGER market_data_insert INSTEAD OF INSERT ON market_data",
    ]
