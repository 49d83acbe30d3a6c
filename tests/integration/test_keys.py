"""Keys as they are kept: shown once, stored as hashes, changed over and taken back, each step on record."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import psycopg
import pytest

from barhouse.errors import Conflict, InvalidParameter, UnknownRecord
from barhouse.flow import keys
from barhouse.store.keys import Known, Role, Tier
from barhouse.store.postgres import Database

NOBODY: dict[int, datetime] = {}


def known(db: Database, *texts: str) -> list[str | None]:
    """The names of those for whom some keys or cookies stand."""
    hashes = [sha256(text.encode()).digest() for text in texts]
    _, found = keys.callers(db, hashes, NOBODY)
    return [found[each].name if each in found else None for each in hashes]


def test_a_key_has_256_bits_and_only_its_hash_is_kept(db: Database, database_url: str) -> None:
    made = keys.create_key(db, "notebook", role=Role.OPERATE, tier=Tier.FREE, by="ada")

    assert re.fullmatch(r"bh_[0-9a-f]{8}_[A-Za-z0-9_-]{43}", made.text)
    with psycopg.connect(database_url) as connection:
        rows = str(connection.execute("SELECT * FROM api_key").fetchall())
    assert made.text not in rows
    assert made.text[12:] not in rows
    assert made.text.startswith(made.key.prefix)
    _, found = keys.callers(db, [sha256(made.text.encode()).digest()], NOBODY)
    assert list(found.values()) == [Known(made.key.id, "notebook", Role.OPERATE, Tier.FREE, None)]


def test_a_name_is_taken_once_and_never_a_number(db: Database) -> None:
    keys.create_key(db, "notebook", by="ada")

    with pytest.raises(Conflict, match="notebook"):
        keys.create_key(db, "notebook", by="ada")
    for name in ("", "17", "a\x00b", "a\nb", "x" * 65, "<b>"):
        with pytest.raises(InvalidParameter, match="name"):
            keys.create_key(db, name, by="ada")


def test_a_key_ends_when_it_expires(db: Database, database_url: str) -> None:
    end = datetime.now(UTC) + timedelta(hours=1)
    made = keys.create_key(db, "short", expires_at=end, by="ada")

    _, found = keys.callers(db, [sha256(made.text.encode()).digest()], NOBODY)
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE api_key SET expires_at = now() - interval '1 ms'")

    assert [each.ends for each in found.values()] == [pytest.approx(end.timestamp())]
    assert known(db, made.text) == [None]
    with pytest.raises(InvalidParameter, match="is over already"):
        keys.create_key(db, "late", expires_at=end - timedelta(hours=2), by="ada")


def test_what_is_revoked_comes_back_when_restored_and_not_when_deleted(db: Database) -> None:
    made = keys.create_key(db, "ci", by="ada")

    keys.revoke_key(db, "ci", by="bob")
    revoked = known(db, made.text)
    keys.restore_key(db, made.key.id, by="ada")
    restored = known(db, made.text)
    keys.delete_key(db, "ci", by="eve")

    assert (revoked, restored, known(db, made.text)) == ([None], ["ci"], [None])
    assert [(row["action"], row["actor"], row["name"]) for row in keys.key_audit(db, "ci")] == [
        ("deleted", "eve", "ci"),
        ("restored", "ada", "ci"),
        ("revoked", "bob", "ci"),
        ("created", "ada", "ci"),
    ]
    assert not keys.any_key(db)
    with pytest.raises(UnknownRecord):
        keys.revoke_key(db, "ci", by="ada")


def test_a_step_that_changes_nothing_is_a_conflict_and_not_on_record(db: Database) -> None:
    keys.create_key(db, "ci", by="ada")
    with pytest.raises(Conflict, match="not revoked"):
        keys.restore_key(db, "ci", by="ada")
    keys.revoke_key(db, "ci", by="ada")
    with pytest.raises(Conflict, match="revoked already"):
        keys.revoke_key(db, "ci", by="ada")
    with pytest.raises(Conflict, match="restore it first"):
        keys.rotate_key(db, "ci", by="ada")

    assert [row["action"] for row in keys.key_audit(db)] == ["revoked", "created"]


def test_a_rotated_key_ends_at_once_unless_it_is_given_some_grace(db: Database) -> None:
    first = keys.create_key(db, "ci", role=Role.ADMIN, by="ada")
    second = keys.rotate_key(db, "ci", grace=timedelta(hours=1), by="ada")
    both = known(db, first.text, second.text)
    third = keys.rotate_key(db, "ci", by="ada")

    assert both == ["ci", "ci"]
    assert known(db, first.text, second.text, third.text) == [None, None, "ci"]
    assert (third.key.id, third.key.role) == (first.key.id, Role.ADMIN)
    with pytest.raises(InvalidParameter, match="grace"):
        keys.rotate_key(db, "ci", grace=timedelta(days=31), by="ada")


def test_a_cookie_stands_for_its_key_until_it_is_given_back_or_the_key_ends(db: Database) -> None:
    key = keys.create_key(db, "browser", by="ada").key
    one, two = keys.sign_in(db, key.id), keys.sign_in(db, key.id)
    keys.sign_out(db, one.encode())
    after_one = known(db, one, two)
    keys.revoke_key(db, key.id, by="ada")

    assert after_one == [None, "browser"]
    assert known(db, two) == [None]


def test_the_last_use_is_noted_and_never_goes_back(db: Database) -> None:
    key = keys.create_key(db, "ci", by="ada").key
    late, early = datetime(2026, 5, 2, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC)

    keys.callers(db, [], {key.id: late})
    keys.callers(db, [], {key.id: early})

    assert keys.one_key(db, "ci").last_used_at == late
