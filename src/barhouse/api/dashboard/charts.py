"""Where the strokes of a chart stand; the templates draw them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from barhouse.model import instant

WIDTH, HEIGHT = 960.0, 340.0
RIGHT, BOTTOM, VOLUME = 64.0, 24.0, 54.0
"""Room for the prices at the right, the days at the bottom, and the volume above them."""
NOTHING = "\u2013"
"""What stands where there is nothing to say: a dash."""


@dataclass(frozen=True, slots=True)
class Candle:
    """One bar: the stroke from high to low, the body from open to close, and its volume at the foot."""

    x: float
    high: float
    low: float
    top: float
    body: float
    foot: float
    volume: float
    up: bool
    title: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A line of the grid with its label."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Candles with their scales."""

    candles: list[Candle]
    prices: list[Mark]
    times: list[Mark]
    width: float
    """Of a candle's body."""


def sparkline(values: Sequence[float], width: float = 120.0, height: float = 28.0) -> str:
    """The points of a line through `values`, as SVG wants them; nothing for fewer than two."""
    if len(values) < 2:
        return ""
    low, high = min(values), max(values)
    step, scale = width / (len(values) - 1), (height - 4) / ((high - low) or 1)
    return " ".join(f"{n * step:.1f},{height - 2 - (value - low) * scale:.1f}" for n, value in enumerate(values))


def chart(bars: pl.DataFrame) -> Chart | None:
    """The candles of `bars` (time, open, high, low, close, volume); None if there is none to draw."""
    bars = bars.filter(pl.all_horizontal(pl.col("open", "high", "low", "close").is_finite()))
    if bars.is_empty():
        return None
    step = (WIDTH - RIGHT) / bars.height
    low, high = _reach(bars)
    plot = HEIGHT - BOTTOM - VOLUME
    scale = (plot - 8) / (high - low)
    most = max(map(_finite, bars["volume"]), default=0.0) or 1.0

    def y(price: float) -> float:
        return plot - 4 - (price - low) * scale

    def candle(number: int, row: dict[str, float]) -> Candle:
        top, bottom = y(max(row["open"], row["close"])), y(min(row["open"], row["close"]))
        traded = _finite(row["volume"]) / most * (VOLUME - 6)
        return Candle(
            x=(number + 0.5) * step,
            high=y(row["high"]),
            low=y(row["low"]),
            top=top,
            body=max(bottom - top, 1.0),
            foot=HEIGHT - BOTTOM - traded,
            volume=traded,
            up=row["close"] >= row["open"],
            title=_title(row),
        )

    rows = list(bars.iter_rows(named=True))
    return Chart(
        candles=[candle(number, row) for number, row in enumerate(rows)],
        prices=[Mark(y(price), written(price)) for price in _round_prices(low, high)],
        times=[Mark((n + 0.5) * step, _when(rows, n)) for n in _spread(len(rows), 6)],
        width=max(step * 0.7, 1.0),
    )


def written(price: float | None) -> str:
    """A number for people: as many decimals as its size needs."""
    if price is None or not math.isfinite(price):
        return NOTHING
    size = abs(price)
    decimals = 0 if size >= 100_000 else 2 if size >= 1 or size == 0 else min(8, 3 - math.floor(math.log10(size)))
    return f"{price:,.{decimals}f}"


def _reach(bars: pl.DataFrame) -> tuple[float, float]:
    low, high = float(bars["low"].min()), float(bars["high"].max())  # type: ignore[arg-type]
    return (low, high) if high > low else (low - (abs(low) or 1) * 0.01, high + (abs(high) or 1) * 0.01)


def _round_prices(low: float, high: float) -> list[float]:
    """About five round prices between low and high."""
    rough = (high - low) / 5
    size = 10 ** math.floor(math.log10(rough))
    step = next(each * size for each in (1, 2, 5, 10) if each * size >= rough)
    return [n * step for n in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _spread(count: int, wanted: int) -> range:
    """About `wanted` of `count` places, evenly spread, none at the edge."""
    every = max(1, math.ceil(count / wanted))
    return range(every // 2, count, every)


def _when(rows: Sequence[dict[str, object]], number: int) -> str:
    """The label of a bar on the axis of time: its day, with the hour where days have several bars."""
    told = instant(rows[number]["time"])  # type: ignore[arg-type]
    return told[:10] if told.endswith("T00:00:00Z") else told[5:16].replace("T", " ")


def _title(row: dict[str, float]) -> str:
    prices = " ".join(f"{name[0].upper()} {written(row[name])}" for name in ("open", "high", "low", "close"))
    return f"{instant(row['time'])}  {prices}  V {_finite(row['volume']):,.0f}"  # type: ignore[arg-type]


def _finite(value: float | None) -> float:
    return value if value is not None and math.isfinite(value) else 0.0
