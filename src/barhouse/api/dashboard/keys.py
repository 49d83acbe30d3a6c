"""Settings, the keys: who may call, what was done with keys, and each new text shown this once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from barhouse.api.dashboard.forms import Form, Sent
from barhouse.api.dashboard.frame import part, said
from barhouse.api.dashboard.settings import CHANGED, PATH, shown
from barhouse.api.deps import Actor, Stored
from barhouse.api.signin import stand_for
from barhouse.errors import InvalidParameter
from barhouse.flow import keys
from barhouse.flow.keys import Made
from barhouse.store.keys import Role, Tier
from barhouse.store.postgres import Database

STEPS = 50
"""The latest steps of the audit that are shown."""

KEYS = f"{PATH}/keys"
GRACES = {"0": "at once", "3600": "in an hour", "86400": "in a day", "604800": "in a week"}
"""When the former text of a key that is changed over ends, by its seconds."""

router = APIRouter(prefix=KEYS, include_in_schema=False)


@router.get("")
def listed(request: Request, db: Stored) -> Response:
    """All keys, less their texts, and what was done with keys lately."""
    return shown(request, "keys", **_told(db))


def _told(db: Database) -> dict[str, Any]:
    found, audit = keys.listed_keys(db), keys.key_audit(db, limit=STEPS)
    choices = {"roles": list(Role), "tiers": list(Tier), "graces": GRACES}
    return {"keys": found, "audit": audit, "now": datetime.now(UTC), "path": KEYS, **choices}


@router.post("")
def create(request: Request, db: Stored, by: Actor, form: Sent) -> Response:
    """Make a key and show its text, this once; with the first one, an admin's, this browser signs in."""
    is_first = not keys.any_key(db)
    role, tier = _role(form), _tier(form)
    if is_first and role is not Role.ADMIN:
        raise InvalidParameter("The first key closes what is open now: make it an admin's, and the others with it")
    made = keys.create_key(db, form.needed("name"), role=role, tier=tier, expires_at=form.moment("expires"), by=by)
    answer = _shown_once(request, made, is_first=is_first)
    if is_first and request.state.caller.key_id is None:
        stand_for(request, answer, keys.sign_in(db, made.key.id))
    return answer


@router.post("/{number}/rotate")
def rotate(request: Request, db: Stored, by: Actor, number: int, form: Sent) -> Response:
    """Change a key over to a new text, shown this once; the old one is good for as long as it is given."""
    told = form.text("grace") or "0"
    if told not in GRACES:
        raise InvalidParameter(f"grace: one of {', '.join(GRACES)} seconds")
    return _shown_once(request, keys.rotate_key(db, number, grace=timedelta(seconds=int(told)), by=by))


@router.post("/{number}/{action}")
def change(
    request: Request, db: Stored, by: Actor, number: int, action: Literal["revoke", "restore", "delete"]
) -> HTMLResponse:
    """Revoke, restore or delete a key."""
    do = {"revoke": keys.revoke_key, "restore": keys.restore_key, "delete": keys.delete_key}[action]
    key = do(db, number, by=by)
    request.app.state.door.forget()
    words = {"revoke": "opens nothing any more", "restore": "opens again what it did", "delete": "is deleted"}[action]
    return said(request, f"The key {key.name} {words}", events=CHANGED)


def _role(form: Form) -> Role:
    told = form.text("role") or Role.READ
    if told not in list(Role):
        raise InvalidParameter(f"role: one of {', '.join(Role)}")
    return Role(told)


def _tier(form: Form) -> Tier:
    told = form.text("tier") or Tier.STANDARD
    if told not in list(Tier):
        raise InvalidParameter(f"tier: one of {', '.join(Tier)}")
    return Tier(told)


def _shown_once(request: Request, made: Made, *, is_first: bool = False) -> Response:
    """The text of a key, which no cache may keep; this process believes nothing any more of what it knew of keys."""
    request.app.state.door.forget()
    answer = part(request, "parts/newkey.html", key=made.key, text=made.text, is_first=is_first)
    answer.headers.update({"HX-Trigger": CHANGED, "Cache-Control": "no-store"})
    return answer
