"""What is computed from the bars of a series."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from barhouse.api import shapes
from barhouse.api.asking import Asked
from barhouse.api.deps import Served
from barhouse.api.historical import Symbol, answer

router = APIRouter(prefix="/api/v1/features", tags=["features"])


@router.get("/quant/{symbol:path}", summary="Features of a symbol", responses=shapes.FEATURES)
async def quant(symbol: Symbol, asked: Annotated[Asked, Query()], served: Served, request: Request) -> Response:
    """The 22 features of each bar with its time and close, oldest first, in pages as the bars are.

    A feature is null until enough bars came before, where its window touches a hole, and where it does not apply.
    """
    return await answer(symbol, asked, served, request, features=True, features_only=True)
