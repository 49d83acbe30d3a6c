"""Where stored bars stand in the sessions of their exchange."""

from __future__ import annotations

import polars as pl

from barhouse.calendar import Calendar
from barhouse.model import Timeframe


def placed(bars: pl.DataFrame, calendar: Calendar, timeframe: Timeframe) -> pl.DataFrame:
    """The bars with where each one stands, if they do not say so yet: `opens`, `closes`, `session`, `on_grid`, and
    `beyond`, whether it is wholly outside the session whatever it was marked as."""
    if "beyond" in bars.columns:
        return bars
    place = calendar.located(bars, timeframe).select("opens", "closes", "session", "on_grid", beyond="extended")
    return bars.hstack(place)
