"""What endpoints are given: the open warehouse."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request

from barhouse.api.quick import Quick
from barhouse.store.postgres import Database


@dataclass(frozen=True, slots=True)
class Warehouse:
    """The database, by frames and rows, and the reader for the hot path."""

    db: Database
    quick: Quick


async def warehouse(request: Request) -> Warehouse:
    """The warehouse that this app serves."""
    return cast("Warehouse", request.app.state.warehouse)


async def database(request: Request) -> Database:
    """The database of the warehouse that this app serves."""
    return (await warehouse(request)).db


Served = Annotated[Warehouse, Depends(warehouse)]
Stored = Annotated[Database, Depends(database)]
