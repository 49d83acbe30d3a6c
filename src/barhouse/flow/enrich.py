"""What is derived from fresh bars before they are kept: features, flags, scores."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from barhouse import checks, features
from barhouse.calendar import Calendar
from barhouse.model import INSTANT, MEASURES, AssetClass, Schema, Timeframe
from barhouse.store import bars
from barhouse.store.postgres import Database

KEY = ["instrument", "time"]
CONTEXT = ["instrument", "time", *MEASURES, "source", "extended", "forming"]
MOMENTS: Schema = {"instrument": pl.Int32(), "time": INSTANT}
NONE_MOVED = pl.DataFrame(schema=MOMENTS)


@dataclass(frozen=True, slots=True)
class Kind:
    """What the series of a batch have in common."""

    asset_class: AssetClass
    timeframe: Timeframe
    calendar: Calendar

    @property
    def bearing(self) -> int:
        """How many bars after it a bar can bear on their features."""
        return features.warmup(self.asset_class, self.timeframe)

    @property
    def look_back(self) -> int:
        """How many bars before it can bear on the features and flags of a new one."""
        return max(self.bearing, (checks.LOOK_BACK + 1) * self.calendar.per_session(self.timeframe))


@dataclass(frozen=True, slots=True)
class Enriched:
    """Fresh bars with their verdict, and the features of all bars that they bear on."""

    bars: pl.DataFrame
    features: pl.DataFrame
    """instrument, time, a column a feature."""


def enrich(
    db: Database,
    fresh: pl.DataFrame,
    kind: Kind,
    *,
    splits: pl.DataFrame,
    expects: frozenset[str],
    read: pl.DataFrame | None,
    moved: pl.DataFrame = NONE_MOVED,
) -> Enriched:
    """Judge and enrich `fresh` bars beside those that are stored around them.

    `moved` (instrument, time) are instants from which features look different now, since a split was learnt or a hole
    turned out to be none: those from there on are computed anew too. `read` is what was ever read of the series, as
    `features.compute` wants it; `expects` are the columns that the source normally sends beyond the five.
    """
    stretches = stretched(fresh, moved)
    around = surroundings(db, stretches, kind, before=kind.look_back, after=kind.bearing, columns=CONTEXT)
    computed = derived(fresh, around, stretches, kind, splits=splits, read=read)
    flagged = checks.flag(
        fresh,
        before=around,
        asset_class=kind.asset_class,
        timeframe=kind.timeframe,
        calendar=kind.calendar,
        splits=splits,
    )
    shares = computed.select(*KEY, feature_finite="finite", feature_applicable="applicable")
    scored = checks.score(flagged.join(shares, on=KEY, how="left", maintain_order="left"), expects=expects)
    return Enriched(scored, computed.drop("finite", "applicable"))


def surroundings(
    db: Database, stretches: pl.DataFrame, kind: Kind, *, before: int, after: int, columns: list[str]
) -> pl.DataFrame:
    """The stored bars around some stretches that others can hang on: regular, settled, and on their slots.

    Other tools may have written bars between the slots: as many more are read as there are of those.
    """
    astray = 0
    while True:
        reach = {"before": before + astray, "after": after + astray}
        found = bars.context(db, stretches, kind.timeframe, **reach, columns=columns)
        stands = kind.calendar.located(found.select("time"), kind.timeframe)["on_grid"]
        if (~stands).sum() <= astray:
            return found.filter(stands) if astray else found
        astray = int((~stands).sum())


def stretched(fresh: pl.DataFrame, moved: pl.DataFrame) -> pl.DataFrame:
    """From where to where each series changes: [instrument, first, last]."""
    moments = pl.concat([fresh.select(KEY), moved])
    return moments.group_by("instrument").agg(first=pl.col("time").min(), last=pl.col("time").max()).sort("instrument")


def derived(
    fresh: pl.DataFrame,
    around: pl.DataFrame,
    stretches: pl.DataFrame,
    kind: Kind,
    *,
    splits: pl.DataFrame,
    read: pl.DataFrame | None,
) -> pl.DataFrame:
    """The features of the fresh bars and of those behind them that they bear on, but not of the warm-up.

    `around` are the stored bars around the stretches in which the series change, as far as they bear.
    """
    regular = fresh.filter(~pl.col("extended") & ~pl.col("forming")).select(CONTEXT)
    past = around.join(fresh, on=KEY, how="anti")
    computed = features.compute(
        pl.concat([past, regular]).sort(KEY) if past.height else regular,
        asset_class=kind.asset_class,
        timeframe=kind.timeframe,
        calendar=kind.calendar,
        splits=splits,
        read=read,
    )
    if past.is_empty():
        return computed
    starts = stretches.select("instrument", "first")
    wanted = computed.join(starts, on="instrument", maintain_order="left").filter(pl.col("time") >= pl.col("first"))
    return wanted.drop("first")
