"""New and corrected bars as server-sent events."""

from __future__ import annotations

from typing import Annotated, Any

from anyio.to_thread import run_sync
from fastapi import APIRouter, Header, Query
from fastapi.responses import StreamingResponse

from barhouse.api.deps import Served
from barhouse.api.following import Events
from barhouse.flow import streaming
from barhouse.model import AssetClass, Timeframe
from barhouse.store.changes import Position

router = APIRouter(prefix="/api/v1", tags=["data"])

_EXAMPLE = """event: bar
data: {"symbol": "AAPL", "asset_class": "stock", "timeframe": "1d", "time": "2024-01-03T00:00:00Z", "close": 184.25, …}
id: AAYOAuXw2AAABg4C5fDYAAAAAAEABwAA…

event: correction
data: {"symbol": "AAPL", "time": "2024-01-02T00:00:00Z", "field": "close", "old_value": 185.6, "new_value": 185.64, …}

event: removed
data: {"symbol": "AAPL", "time": "2024-01-02T00:00:00Z", "reason": "duplicate", …}

"""
STREAM: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {"example": _EXAMPLE}}},
}

Symbols = Annotated[
    list[str],
    Query(min_length=1, description="Separated by commas, or said several times; `*` is all that have such bars."),
]
Timeframes = Annotated[list[str], Query(description="1m, 5m, 15m, 30m, 1h, 4h, 1d, 1w; several as symbols are.")]
Class = Annotated[str | None, Query(description="stock, etf or crypto; needed where a symbol is several instruments.")]
Seen = Annotated[str | None, Header(alias="Last-Event-ID", description="The id of the last event that was seen.")]


@router.get("/stream", summary="Follow bars", response_class=StreamingResponse, responses=STREAM)
async def stream(
    served: Served,
    symbols: Symbols,
    timeframe: Timeframes = ["1d"],  # noqa: B006
    asset_class: Class = None,
    last_event_id: Seen = None,
) -> Events:
    """What changes in the settled bars of some symbols, as server-sent events, a second or so after it is stored.

    `bar`: one came; `correction`: a field of a stored one was changed, with the old and the new value; `removed`: one
    left, as by a cleanup of duplicates. A client that comes back with `Last-Event-ID` and the same symbols is told
    all that it missed, each change once. `at` is when it was stored.
    """
    seen = None if last_event_id is None else Position.of(last_event_id)
    asset = None if asset_class is None else AssetClass.of(asset_class)
    followed = await run_sync(streaming.followed, served.db, _each(symbols), Timeframe.several(_each(timeframe)), asset)
    return Events(served.listening.events(followed, seen))


def _each(told: list[str]) -> list[str]:
    return [part.strip() for text in told for part in text.split(",") if part.strip()]
