"""`barhouse keys`: made and taken back from a shell, whatever the API says."""

from __future__ import annotations

from hashlib import sha256

import pytest

from barhouse.flow import keys
from barhouse.store.postgres import Database
from tests.contract.cli.conftest import Barhouse


def is_good(db: Database, text: str) -> bool:
    return bool(keys.callers(db, [sha256(text.encode()).digest()], {})[1])


def test_a_key_alone_on_standard_output_is_made_listed_and_taken_back(barhouse: Barhouse, db: Database) -> None:
    made = barhouse("keys", "create", "ci", "--role", "operate", "--tier", "free", "--expires", "90d")
    key = made.stdout.strip()
    listed = barhouse("keys", "list").stdout

    assert is_good(db, key)
    assert key not in made.stderr
    assert "shown only now" in made.stderr
    assert key not in listed
    assert all(word in listed for word in ("ci", key[:11], "operate", "free", "good until", "never"))
    assert barhouse("keys", "revoke", "ci").exit_code == 0
    assert not is_good(db, key)
    assert barhouse("keys", "restore", "ci").exit_code == 0
    assert is_good(db, key)


def test_a_key_is_changed_over_and_deleted_on_record(barhouse: Barhouse, db: Database) -> None:
    old = barhouse("keys", "create", "ci").stdout.strip()
    new = barhouse("keys", "rotate", "ci", "--grace", "24h").stdout.strip()
    both = is_good(db, old), is_good(db, new)
    deleted = barhouse("keys", "delete", "ci").stdout
    audit = barhouse("keys", "audit", "ci").stdout

    assert both == (True, True)
    assert "open again" in deleted
    assert not is_good(db, new)
    assert [audit.index(word) for word in ("deleted", "rotated", "created")] == sorted(
        audit.index(word) for word in ("deleted", "rotated", "created")
    )
    assert "cli:" in audit


@pytest.mark.parametrize(
    "words",
    [
        ("create", "ci", "--expires", "soon"),
        ("create", "ci", "--expires", "2001-01-01"),
        ("create", "17"),
        ("create", "ci", "--role", "king"),
        ("rotate", "nobody"),
        ("rotate", "ci", "--grace", "99d"),
        ("delete", "nobody"),
    ],
)
def test_what_cannot_be_is_refused(barhouse: Barhouse, words: tuple[str, ...]) -> None:
    assert barhouse("keys", *words).exit_code == 2
