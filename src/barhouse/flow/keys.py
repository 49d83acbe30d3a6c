"""Keys of the API: made, shown once, changed over, taken back; each step is on record with whoever took it."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from psycopg import Connection

from barhouse.errors import Conflict, InvalidParameter, UnknownRecord
from barhouse.model import instant
from barhouse.store import keys
from barhouse.store.keys import Action, Fresh, Key, Known, Role, Tier
from barhouse.store.postgres import Database

MOST_GRACE = timedelta(days=30)
"""So long at most an old key is good beside the one that replaced it."""

SIGNED_IN = timedelta(days=7)
"""So long a browser stays signed in."""

_NAME = re.compile(r"(?!\d+$)[^\W_][\w .@+-]{0,63}")


@dataclass(frozen=True, slots=True)
class Made:
    """A key with its whole text, which nobody can show again."""

    key: Key
    text: str


def digest(text: bytes) -> bytes:
    """What is kept of a key, and looked for: 256 random bits need no slow hash, and an index finds it in even time."""
    return sha256(text).digest()


def create_key(
    db: Database,
    name: str,
    *,
    role: Role = Role.READ,
    tier: Tier = Tier.STANDARD,
    expires_at: datetime | None = None,
    by: str,
) -> Made:
    """Make a key; Conflict (409) where the name is taken, InvalidParameter (422) for one that is none."""
    if not _NAME.fullmatch(name):
        raise InvalidParameter("name: up to 64 letters, digits, blanks and . _ @ + -, and more than a number")
    if expires_at is not None and expires_at <= datetime.now(UTC):
        raise InvalidParameter(f"expires_at: {instant(expires_at)} is over already")
    fresh, text = _fresh()
    with db.transaction() as connection:
        number = keys.add(connection, fresh, name, role, tier, expires_at)
        if number is None:
            raise Conflict(f"A key {name!r} exists; rotate or delete it, or take another name")
        ends = f", until {instant(expires_at)}" if expires_at else ""
        keys.note(connection, number, name, Action.CREATED, by, f"{role}, {tier}{ends}")
        return Made(_one(connection, str(number)), text)


def rotate_key(db: Database, named: str | int, *, grace: timedelta = timedelta(0), by: str) -> Made:
    """Make a new key in the place of an old one, which is good for `grace` yet: by default it ends at once.

    UnknownRecord (404); Conflict (409) for a key that is revoked; InvalidParameter (422) beyond 30 days.
    """
    if not timedelta(0) <= grace <= MOST_GRACE:
        raise InvalidParameter(f"grace: from 0 to {MOST_GRACE.days} days")
    fresh, text = _fresh()
    with db.transaction() as connection:
        key = _one(connection, str(named))
        if not keys.rotate(connection, key.id, fresh, grace):
            raise Conflict(f"The key {key.name!r} is revoked; restore it first")
        ends = f"in {grace}" if grace else "at once"
        keys.note(connection, key.id, key.name, Action.ROTATED, by, f"the old one ends {ends}")
        return Made(_one(connection, str(key.id)), text)


def revoke_key(db: Database, named: str | int, *, by: str) -> Key:
    """Let a key open nothing any more, within seconds everywhere; UnknownRecord (404), Conflict (409) if it is so."""
    return _changed(db, named, Action.REVOKED, by, "is revoked already")


def restore_key(db: Database, named: str | int, *, by: str) -> Key:
    """Let a revoked key open again what it did; UnknownRecord (404), Conflict (409) if it is not revoked."""
    return _changed(db, named, Action.RESTORED, by, "is not revoked")


def delete_key(db: Database, named: str | int, *, by: str) -> Key:
    """Forget a key for good, as it was; what was done with it stays on record. UnknownRecord (404)."""
    return _changed(db, named, Action.DELETED, by, "is deleted already")


def listed_keys(db: Database) -> list[Key]:
    """All keys, oldest first, revoked and expired ones too."""
    with db.connection() as connection:
        return keys.listed(connection)


def one_key(db: Database, named: str | int) -> Key:
    """A key by its number or name; UnknownRecord (404)."""
    with db.connection() as connection:
        return _one(connection, str(named))


def key_audit(db: Database, named: str | int | None = None, limit: int = 100) -> list[dict[str, Any]]:
    """What was done with keys, the latest first; with one where it is named, though it is deleted by now."""
    with db.connection() as connection:
        return keys.audit(connection, None if named is None else str(named), limit)


def any_key(db: Database) -> bool:
    """Whether any key was made that is not deleted."""
    with db.connection() as connection:
        return keys.exists(connection)


def callers(db: Database, hashes: Sequence[bytes], used: Mapping[int, datetime]) -> tuple[bool, dict[bytes, Known]]:
    """Whether any key exists, and whom these hashes stand for; notes on the way when keys were used last."""
    with db.connection() as connection:
        if used:
            keys.touch(connection, used)
        found = keys.callers(connection, hashes) if hashes else {}
        return bool(found) or keys.exists(connection), found


def sign_in(db: Database, key_id: int) -> str:
    """The text of a cookie that stands for a key, for a week or as long as the key is good."""
    text = secrets.token_urlsafe(32)
    with db.connection() as connection:
        keys.sign_in(connection, key_id, digest(text.encode()), SIGNED_IN)
    return text


def sign_out(db: Database, cookie: bytes) -> None:
    """Let a cookie stand for nobody any more."""
    with db.connection() as connection:
        keys.sign_out(connection, digest(cookie))


def _fresh() -> tuple[Fresh, str]:
    """A new key: `bh_`, eight letters by which people tell keys apart, and 256 random bits."""
    prefix = f"bh_{secrets.token_hex(4)}"
    text = f"{prefix}_{secrets.token_urlsafe(32)}"
    return Fresh(prefix, digest(text.encode())), text


def _one(connection: Connection, named: str) -> Key:
    found = keys.listed(connection, named)
    if not found:
        raise UnknownRecord(f"There is no key {named!r}; `barhouse keys list` shows them")
    return found[0]


def _changed(db: Database, named: str | int, action: Action, by: str, otherwise: str) -> Key:
    with db.transaction() as connection:
        key = _one(connection, str(named))
        if not keys.change(connection, key.id, action):
            raise Conflict(f"The key {key.name!r} {otherwise}")
        keys.note(connection, key.id, key.name, action, by)
        return key if action == Action.DELETED else _one(connection, str(key.id))
