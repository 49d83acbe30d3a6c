"""Keys of the API, of which only hashes are kept: who may do what, and what was done with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row, dict_row

from barhouse.store.queries import queries

query = queries("keys")


class Role(StrEnum):
    """What a caller may do; each may do all that those before it may."""

    READ = "read"
    OPERATE = "operate"
    ADMIN = "admin"

    def covers(self, other: Role) -> bool:
        """Whether whoever has this role may do what needs the other."""
        order = list(Role)
        return order.index(self) >= order.index(other)


class Tier(StrEnum):
    """How often a caller may call."""

    FREE = "free"
    STANDARD = "standard"
    UNLIMITED = "unlimited"


class Action(StrEnum):
    """What can be done with a key."""

    CREATED = "created"
    ROTATED = "rotated"
    REVOKED = "revoked"
    RESTORED = "restored"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Key:
    """A key as it may be shown: its first letters, never the rest."""

    id: int
    name: str
    prefix: str
    role: Role
    tier: Tier
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Fresh:
    """A key that is made just now, as it is kept."""

    prefix: str
    hash: bytes


@dataclass(frozen=True, slots=True)
class Known:
    """Whom a hash stands for, and until when (epoch seconds)."""

    key_id: int
    name: str
    role: Role
    tier: Tier
    ends: float | None


def add(
    connection: Connection, fresh: Fresh, name: str, role: Role, tier: Tier, expires_at: datetime | None
) -> int | None:
    """Keep a new key; its number, None where the name is taken."""
    told = {"name": name, "role": role, "tier": tier, "expires_at": expires_at}
    row = connection.execute(query.add, told | {"prefix": fresh.prefix, "hash": fresh.hash}).fetchone()
    return None if row is None else int(row[0])


def listed(connection: Connection, named: str | None = None) -> list[Key]:
    """The keys, oldest first; of one number or name where that is given."""
    with connection.cursor(row_factory=class_row(Key)) as cursor:
        return cursor.execute(query.listed, {"named": named}).fetchall()


def rotate(connection: Connection, number: int, fresh: Fresh, grace: timedelta) -> bool:
    """Put a new key in the place of an old one, which is good for `grace` yet; False for one that is revoked."""
    told = {"id": number, "prefix": fresh.prefix, "hash": fresh.hash, "grace": grace}
    return connection.execute(query.rotate, told).rowcount == 1


def change(connection: Connection, number: int, action: Action) -> bool:
    """Revoke, restore or delete a key; False where there was nothing to change."""
    done = {Action.REVOKED: query.revoke, Action.RESTORED: query.restore, Action.DELETED: query.delete}
    return connection.execute(done[action], {"id": number}).rowcount == 1


def note(connection: Connection, number: int, name: str, action: Action, actor: str, details: str = "") -> None:
    """Write down what was done with a key, and by whom."""
    told = {"id": number, "name": name, "action": action, "actor": actor, "details": details or None}
    connection.execute(query.note, told)


def audit(connection: Connection, named: str | None, limit: int) -> list[dict[str, Any]]:
    """What was done with keys, the latest first: key_id, name, action, actor, details, at."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query.audit, {"named": named, "limit": limit}).fetchall()


def exists(connection: Connection) -> bool:
    """Whether any key was made that is not deleted; one that is revoked or expired still is there."""
    [(found,)] = connection.execute(query.exists).fetchall()
    return bool(found)


def callers(connection: Connection, hashes: Sequence[bytes]) -> dict[bytes, Known]:
    """Whom these hashes stand for just now; those of nobody, or of a key that is good no more, are left out."""
    rows = connection.execute(query.callers, {"hashes": list(hashes)})
    return {
        bytes(digest): Known(number, name, Role(role), Tier(tier), ends)
        for digest, number, name, role, tier, ends in rows
    }


def touch(connection: Connection, used: Mapping[int, datetime]) -> None:
    """Note when keys were used last."""
    connection.execute(query.touch, {"ids": list(used), "at": list(used.values())})


def sign_in(connection: Connection, number: int, digest: bytes, good_for: timedelta) -> None:
    """Let a cookie of that hash stand for a key."""
    connection.execute(query.sign_in, {"id": number, "hash": digest, "good_for": good_for})


def sign_out(connection: Connection, digest: bytes) -> None:
    """Let a cookie of that hash stand for nobody any more."""
    connection.execute(query.sign_out, {"hash": digest})
