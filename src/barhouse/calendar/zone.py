"""Local clocks: what a zone's clock shows at an instant, without converting row by row."""

from __future__ import annotations

from datetime import date, timedelta
from functools import cache

import polars as pl

from barhouse.model import INSTANT

FIRST, LAST = date(1900, 1, 1), date(2100, 1, 1)


def local(stamps: pl.Series, zone: str) -> pl.Series:
    """What the clock of `zone` shows at `stamps`.

    Looking up some hundred changes of the clock costs a tenth of asking the time-zone database for each row.
    """
    if zone == "UTC":
        return stamps.dt.replace_time_zone(None)
    changes = _changes(zone)
    position = changes["since"].search_sorted(stamps, side="right").cast(pl.Int64) - 1
    return stamps.dt.replace_time_zone(None) + changes["offset"].gather(position.clip(0))


@cache
def _changes(zone: str) -> pl.DataFrame:
    """Since which instant which offset from UTC holds in `zone`, oldest first."""
    days = _offsets(pl.datetime_range(FIRST, LAST, "1d", eager=True, time_zone="UTC"), zone)
    changed = days.filter(pl.col("offset") != pl.col("offset").shift(-1))["since"]
    minutes = pl.datetime_ranges("since", pl.col("since") + timedelta(days=1), "1m")
    near = changed.to_frame("since").select(minutes).explode("since").to_series().cast(INSTANT)
    every = pl.concat([days.head(1), _offsets(near, zone)])
    return every.filter(pl.col("offset").ne_missing(pl.col("offset").shift(1)))


def _offsets(stamps: pl.Series, zone: str) -> pl.DataFrame:
    clock = pl.col("since").dt.convert_time_zone(zone)
    offset = (clock.dt.base_utc_offset() + clock.dt.dst_offset()).cast(pl.Duration("us"))
    return stamps.cast(INSTANT).to_frame("since").with_columns(offset=offset)
