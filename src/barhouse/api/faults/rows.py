"""The bars in a vendor's answer as rows, whatever its protocol, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from types import MappingProxyType
from typing import Any

Row = dict[Any, Any]
"""A bar as the vendor has it, by the vendor's names, or by places where it has none."""

_A_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Wire:
    """A vendor's way to write bars: under `path`, stamped by `time` in seconds times `scale`."""

    path: str
    time: str | int
    prices: Sequence[str | int]
    scale: int
    read: Callable[[Any], list[Row]]
    write: Callable[[Any, list[Row]], Any]


def moved(row: Row, wire: Wire, by: float) -> Row:
    """The bar with all prices higher by that share."""
    return {**row, **{name: _times(row[name], 1 + by) for name in wire.prices}}


def blank(row: Row, wire: Wire) -> Row:
    """The bar without its close."""
    return {**row, wire.prices[3]: None}


def _times(price: Any, factor: float) -> Any:
    """A price times `factor`, written as it was: a text of eight decimals stays one."""
    return f"{float(price) * factor:.8f}" if isinstance(price, str) else price * factor


def with_bar_at(rows: list[Row], wire: Wire, moment: datetime) -> list[Row]:
    """The rows and a bar that begins at `moment`, or shortly after it where their bars do."""
    if not rows:
        return rows
    step = min((b[wire.time] - a[wire.time] for a, b in pairwise(rows)), default=0) or _A_DAY * wire.scale
    last = rows[-1][wire.time]
    ahead = -(-(moment.timestamp() * wire.scale - last) // step)
    return [*rows, {**rows[-1], wire.time: int(last + ahead * step)}] if ahead > 0 else rows


def _polygon(answer: Any) -> list[Row]:
    return list(answer.get("results") or [])


def _to_polygon(answer: Any, rows: list[Row]) -> Any:
    if not rows:
        rest = {name: value for name, value in answer.items() if name not in {"results", "next_url", "count"}}
        return {**rest, "queryCount": 0, "resultsCount": 0}
    return {**answer, "results": rows, "resultsCount": len(rows)}


def _binance(answer: Any) -> list[Row]:
    return [dict(enumerate(row)) for row in answer]


def _to_binance(_: Any, rows: list[Row]) -> Any:
    return [list(row.values()) for row in rows]


def _yahoo(answer: Any) -> list[Row]:
    columns = _columns(answer["chart"]["result"][0])
    return [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]


def _columns(result: Any) -> dict[str, list[Any]]:
    """The lists of a chart by name; all empty where it has no bars."""
    adjusted = result["indicators"].get("adjclose", [{}])[0]
    return {"timestamp": result.get("timestamp", []), **result["indicators"]["quote"][0], **adjusted}


def _to_yahoo(answer: Any, rows: list[Row]) -> Any:
    result = answer["chart"]["result"][0]
    if not rows:
        told = {"meta": result["meta"], "indicators": {"quote": [{}]}}
        return {"chart": {**answer["chart"], "result": [told]}}
    lists = {name: [row[name] for row in rows] for name in rows[0]}
    stamps, adjusted = lists.pop("timestamp"), lists.pop("adjclose", None)
    indicators = {"quote": [lists]} | ({"adjclose": [{"adjclose": adjusted}]} if adjusted else {})
    told = {**result, "timestamp": stamps, "indicators": indicators}
    return {"chart": {**answer["chart"], "result": [told]}}


_PRICES = ("open", "high", "low", "close")

WIRES: Mapping[str, Wire] = MappingProxyType(
    {
        "polygon": Wire("/v2/aggs/", "t", ("o", "h", "l", "c"), 1000, _polygon, _to_polygon),
        "binance": Wire("/api/v3/klines", 0, (1, 2, 3, 4), 1000, _binance, _to_binance),
        "yahoo": Wire("/v8/finance/chart/", "timestamp", _PRICES, 1, _yahoo, _to_yahoo),
    }
)
