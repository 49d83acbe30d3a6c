"""What is computed from the bars of a series."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import anyio
import orjson
from fastapi import APIRouter, Depends, Response
from pydantic import Field

from barhouse.api import bulk, shapes
from barhouse.api.asking import AskedSeries, found
from barhouse.api.deps import Served
from barhouse.api.historical import Symbol
from barhouse.api.understood import parameters, understood
from barhouse.flow import reads
from barhouse.model import instant
from barhouse.store.postgres import Database
from barhouse.store.reading import Selection

router = APIRouter(prefix="/api/v1/features", tags=["features"])


class AskedFeatures(AskedSeries):
    """Which bars of a symbol are wanted with their features."""

    limit: int = Field(default=500, ge=1, le=10_000, description="So many of the newest bars.")


Question = Annotated[AskedFeatures, Depends(understood(AskedFeatures))]


@router.get(
    "/quant/{symbol:path}",
    summary="The newest bars of a symbol with features",
    responses=shapes.FEATURES,
    openapi_extra=parameters(AskedFeatures),
)
async def quant(symbol: Symbol, asked: Question, served: Served) -> Response:
    """The newest settled bars with their 22 features, oldest first.

    A feature is null until enough bars came before, where its window touches a hole, and where it does not apply.
    """
    selection = asked.selection(await found(served, symbol, asked), features=True)
    body = await anyio.to_thread.run_sync(_newest, served.db, selection, asked.limit)
    return Response(body, media_type="application/json")


def _newest(db: Database, selection: Selection, limit: int) -> bytes:
    frame = reads.newest(db, selection, limit)
    ends = {"start": instant(frame["time"][0]), "end": instant(frame["time"][-1])} if frame.height else None
    head = {
        "symbol": selection.series.instrument.symbol,
        "asset_class": selection.series.instrument.asset_class,
        "timeframe": selection.series.timeframe,
        "records_returned": frame.height,
        "date_range": ends,
        "timestamp": instant(datetime.now(UTC)),
    }
    return b"".join([orjson.dumps(head)[:-1], b',"features":', bulk.json_rows(frame), b"}"])
