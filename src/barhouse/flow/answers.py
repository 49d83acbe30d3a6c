"""How good answers of vendors are, before anything of them is kept."""

from __future__ import annotations

from functools import partial

import anyio
import polars as pl

from barhouse import checks
from barhouse.calendar import Calendar
from barhouse.model import BARS
from barhouse.sources.base import Fetched
from barhouse.sources.fallback import Judge


def judge(calendar: Calendar) -> Judge:
    """Tells how good an answer is about an instrument that is traded by `calendar`; beside other work, in a thread."""

    async def judged(fetched: Fetched) -> float | None:
        return await anyio.to_thread.run_sync(partial(quality, fetched, calendar))

    return judged


def quality(fetched: Fetched, calendar: Calendar) -> float | None:
    """The mean score of an answer's bars (`checks.answer`), by itself; None where it has no rows."""
    instrument = fetched.series.instrument
    key = pl.lit(instrument.number, pl.Int32).alias("instrument")
    splits = fetched.actions.filter(pl.col("kind") == "split").select(key, "effective", "ratio")
    return checks.answer(
        fetched.bars.select(key, *BARS, "origin"),
        unreadable=fetched.rejects.height,
        expects=fetched.expects,
        splits=splits,
        asset_class=instrument.asset_class,
        timeframe=fetched.series.timeframe,
        calendar=calendar,
    )
