"""Small lines and numbers, as the templates write them."""

from __future__ import annotations

import math
from collections.abc import Sequence

NOTHING = "\u2013"
"""What stands where there is nothing to say: a dash."""


def sparkline(values: Sequence[float], width: float = 120.0, height: float = 28.0) -> str:
    """The points of a line through `values`, as SVG wants them; nothing for fewer than two."""
    if len(values) < 2:
        return ""
    low, high = min(values), max(values)
    step, scale = width / (len(values) - 1), (height - 4) / ((high - low) or 1)
    return " ".join(f"{n * step:.1f},{height - 2 - (value - low) * scale:.1f}" for n, value in enumerate(values))


def written(price: float | None) -> str:
    """A number for people: as many decimals as its size needs."""
    if price is None or not math.isfinite(price):
        return NOTHING
    size = abs(price)
    decimals = 0 if size >= 100_000 else 2 if size >= 1 or size == 0 else min(8, 3 - math.floor(math.log10(size)))
    return f"{price:,.{decimals}f}"
