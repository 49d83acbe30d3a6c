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
from barhouse.store.postgres import Database


@dataclass(frozen=True, slots=True)
class Warehouse:
    """The database, the reader for the hot path and what it read lately, and the jobs and series that are followed."""

    db: Database
    quick: Quick
    following: Following
    listening: Listening
    kept: Kept = field(default_factory=Kept)


async def warehouse(request: Request) -> Warehouse:
    """The warehouse that this app serves."""
    return cast("Warehouse", request.app.state.warehouse)


async def database(request: Request) -> Database:
    """The database of the warehouse that this app serves."""
    return (await warehouse(request)).db


async def configured(request: Request) -> Settings:
    """The settings of this app."""
    return cast("Settings", request.app.state.settings)


Served = Annotated[Warehouse, Depends(warehouse)]
Stored = Annotated[Database, Depends(database)]
Configured = Annotated[Settings, Depends(configured)]
