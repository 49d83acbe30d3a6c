"""The warehouse under its vendors' own paths, for their own clients."""

from __future__ import annotations

from typing import cast

from fastapi import APIRouter, Request

from barhouse.api.compat import Shelf, binance, polygon, yahoo
from barhouse.api.compat.warehouse import WarehouseShelf
from barhouse.api.deps import Warehouse

router = APIRouter(prefix="/compat", tags=["compat"])


def kept(request: Request) -> Shelf:
    """The warehouse that this app serves."""
    return WarehouseShelf(cast("Warehouse", request.app.state.warehouse).db)


for prefix in ("/polygon", "/polygon/compat/polygon"):
    # The second is where the vendor's own client looks for a next page
    router.include_router(polygon.router(kept, polygon.unkeyed), prefix=prefix, include_in_schema=prefix == "/polygon")
router.include_router(yahoo.router(kept, forgetful=False), prefix="/yahoo")
router.include_router(binance.router(kept), prefix="/binance")
