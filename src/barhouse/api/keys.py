"""The keys of the API, for admins."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from barhouse.api.deps import Actor, Stored
from barhouse.api.shapes import Instant
from barhouse.flow import keys
from barhouse.flow.keys import Made
from barhouse.store import keys as kept
from barhouse.store.keys import Action, Role, Tier

router = APIRouter(prefix="/api/v1/admin/api-keys", tags=["keys"])


class Wanted(BaseModel):
    """A key to be made."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"name": "notebook", "role": "read"}})

    name: str = Field(max_length=64, description="What it is for; no other key may be called so.")
    role: Role = Field(default=Role.READ, description="What it may do: read, operate, admin; each the former too.")
    tier: Tier = Field(default=Tier.STANDARD, description="How often it may call: free, standard, unlimited.")
    expires_at: datetime | None = Field(default=None, description="When it ends; left out: never.")


class Key(BaseModel):
    """A key, less its secret part."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    name: str
    prefix: str = Field(description="How its text begins.")
    role: Role
    tier: Tier
    expires_at: Instant | None
    revoked_at: Instant | None
    last_used_at: Instant | None = Field(description="To within some ten seconds.")
    created_at: Instant


class NewKey(Key):
    """A key with its whole text."""

    key: str = Field(description="Shown only now: what is kept is its hash.")


class Keys(BaseModel):
    """All keys, oldest first."""

    timestamp: Instant
    count: int
    keys: list[Key]


class Done(BaseModel):
    """A step that somebody took with a key."""

    key_id: int
    name: str | None
    action: Action
    actor: str | None = Field(description="Who did it: `api:` and the name of a key, or `cli:` and a user.")
    details: str | None
    at: Instant


class Audit(BaseModel):
    """What was done with keys, the latest first."""

    timestamp: Instant
    count: int
    audit: list[Done]


Id = Annotated[int, Path(ge=1, le=2**31 - 1, description="The number of the key.", examples=[3])]
Limit = Annotated[int, Query(ge=1, le=1000, description="So many of the latest steps.")]


def _changed(request: Request, key: kept.Key) -> Key:
    """A key that was changed, of which this process believes nothing any more."""
    request.app.state.door.forget()
    return Key.model_validate(key)


def _new(request: Request, made: Made) -> NewKey:
    return NewKey(**_changed(request, made.key).model_dump(), key=made.text)


@router.get("", summary="Keys")
def listed(db: Stored) -> Keys:
    """All keys, with those that are revoked or expired; never their texts."""
    found = [Key.model_validate(key) for key in keys.listed_keys(db)]
    return Keys(timestamp=datetime.now(UTC), count=len(found), keys=found)


@router.post("", summary="Make a key", status_code=201)
def create(db: Stored, request: Request, by: Actor, wanted: Wanted) -> NewKey:
    """A new key, shown this once. With the first one the API is open no more: let it be an admin's."""
    ends = wanted.expires_at
    at = ends.replace(tzinfo=UTC) if ends and ends.tzinfo is None else ends
    made = keys.create_key(db, wanted.name, role=wanted.role, tier=wanted.tier, expires_at=at, by=by)
    return _new(request, made)


@router.get("/audit", summary="What was done with keys")
def audit(db: Stored, limit: Limit = 100) -> Audit:
    """Who made, changed over, revoked, restored or deleted which key, and when; deleted ones stay in it."""
    return _told(keys.key_audit(db, limit=limit))


@router.get("/{key_id:int}", summary="A key")
def one(db: Stored, key_id: Id) -> Key:
    """One key, less its text."""
    return Key.model_validate(keys.one_key(db, key_id))


@router.get("/{key_id:int}/audit", summary="What was done with a key")
def one_audit(db: Stored, key_id: Id, limit: Limit = 100) -> Audit:
    """The same for one key, also after it was deleted; of a number that never was, nothing."""
    return _told(keys.key_audit(db, key_id, limit))


@router.post("/{key_id:int}/rotate", summary="Change a key over")
def rotate(
    db: Stored,
    request: Request,
    by: Actor,
    key_id: Id,
    grace_seconds: Annotated[
        int, Query(ge=0, le=30 * 86_400, description="So long the old text is good beside the new one.")
    ] = 0,
) -> NewKey:
    """A new text for the same key, shown this once; the old one ends at once unless it is given some grace."""
    return _new(request, keys.rotate_key(db, key_id, grace=timedelta(seconds=grace_seconds), by=by))


@router.post("/{key_id:int}/revoke", summary="Revoke a key")
def revoke(db: Stored, request: Request, by: Actor, key_id: Id) -> Key:
    """It opens nothing any more: here at once, in other processes within 5 seconds."""
    return _changed(request, keys.revoke_key(db, key_id, by=by))


@router.post("/{key_id:int}/restore", summary="Restore a key")
def restore(db: Stored, request: Request, by: Actor, key_id: Id) -> Key:
    """A revoked key opens again what it did."""
    return _changed(request, keys.restore_key(db, key_id, by=by))


@router.delete("/{key_id:int}", summary="Delete a key")
def delete(db: Stored, request: Request, by: Actor, key_id: Id) -> Key:
    """The key as it was. What was done with it stays on record; after the last one the API is open on loopback."""
    return _changed(request, keys.delete_key(db, key_id, by=by))


def _told(rows: list[dict[str, Any]]) -> Audit:
    return Audit(timestamp=datetime.now(UTC), count=len(rows), audit=[Done(**row) for row in rows])
