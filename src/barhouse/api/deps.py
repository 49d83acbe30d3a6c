"""What endpoints are given: the open warehouse."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, cast

from fastapi import Depends, Request

from barhouse.api.following import Following
from barhouse.api.kept import Kept
from barhouse.api.listening import Listening
from barhouse.api.quick import Quick
from barhouse.config import Settings
from barhouse.errors import InvalidParameter
from barhouse.store.postgres import Database


@dataclass(frozen=True, slots=True)
class Warehouse:
    """The database, the reader for the hot path and what it read lately, and the jobs and series that are followed."""

    db: Database
    quick: Quick
    following: Following
    listening: Listening
    kept: Kept = field(default_factory=Kept)


@dataclass(frozen=True, slots=True)
class Signature:
    """The key of a caller, by its name; None where nobody had to show one."""

    key: str | None

    def of(self, author: str | None) -> str:
        """Who decides: the key, and the author whom it names beside; InvalidParameter (422) where nobody is named."""
        if author is not None and not author.strip():
            raise InvalidParameter("author: say who decides")
        named = [each.strip() for each in (author, self.key) if each]
        if not named:
            raise InvalidParameter("author: say who decides, or call with a key")
        return named[0] if len(set(named)) == 1 else f"{named[0]} ({named[1]})"


async def warehouse(request: Request) -> Warehouse:
    """The warehouse that this app serves."""
    return cast("Warehouse", request.app.state.warehouse)


async def database(request: Request) -> Database:
    """The database of the warehouse that this app serves."""
    return (await warehouse(request)).db


async def configured(request: Request) -> Settings:
    """The settings of this app."""
    return cast("Settings", request.app.state.settings)


async def actor(request: Request) -> str:
    """Who calls, as jobs, schedules and the audit of keys name whoever changes something over HTTP."""
    return f"api:{request.state.caller.name}"


async def signature(request: Request) -> Signature:
    """Signs what the caller decides, with the author that the request names, if it does."""
    caller = request.state.caller
    return Signature(None if caller.key_id is None else caller.name)


Served = Annotated[Warehouse, Depends(warehouse)]
Stored = Annotated[Database, Depends(database)]
Configured = Annotated[Settings, Depends(configured)]
Actor = Annotated[str, Depends(actor)]
Signed = Annotated[Signature, Depends(signature)]
