"""The warehouse under its vendors' own paths, for their own clients."""

from __future__ import annotations

from typing import Any, cast

from fastapi import APIRouter, Request

from barhouse.api.compat import Shelf, binance, polygon, yahoo
from barhouse.api.compat.warehouse import WarehouseShelf
from barhouse.api.deps import Warehouse

REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"description": meaning, "content": {"application/json": {}}}
    for status, meaning in {
        400: "What the vendor refuses, in its own words and shape.",
        401: "A key in the address, or none where one is needed.",
        403: "A stock's bars that were never read, or a key that may not read.",
        404: "An unknown symbol, in the vendor's shape.",
        422: "An interval or a span that the vendor does not serve, in its shape.",
        503: "The warehouse is away.",
    }.items()
}

router = APIRouter(prefix="/compat", tags=["compat"], responses=REFUSALS)


def kept(request: Request) -> Shelf:
    """The warehouse that this app serves."""
    return WarehouseShelf(cast("Warehouse", request.app.state.warehouse).db)


for prefix in ("/polygon", "/polygon/compat/polygon"):
    # The second is where the vendor's own client looks for a next page
    router.include_router(polygon.router(kept, polygon.unkeyed), prefix=prefix, include_in_schema=prefix == "/polygon")
router.include_router(yahoo.router(kept, forgetful=False), prefix="/yahoo")
router.include_router(binance.router(kept), prefix="/binance")
