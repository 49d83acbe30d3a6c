"""How good a vendor's answer is, judged by itself: what it takes to prefer another vendor's."""

from __future__ import annotations

import polars as pl

from barhouse.calendar import Calendar
from barhouse.checks.history import flag
from barhouse.checks.registry import Kind, of_kind
from barhouse.checks.score import GOOD_ENOUGH, VALIDATION, completeness, weighed
from barhouse.checks.sieve import sift
from barhouse.model import AssetClass, Timeframe

KEY = ["instrument", "time"]


def answer(
    bars: pl.DataFrame,
    *,
    unreadable: int,
    expects: frozenset[str],
    splits: pl.DataFrame,
    asset_class: AssetClass,
    timeframe: Timeframe,
    calendar: Calendar,
) -> float | None:
    """The mean score of the slots of an answer, 0 to 1; None where there are none, so that nobody can tell.

    A bar's features and freshness are taken as 1, since they are no merit of the vendor. A slot without a sound bar
    counts 0, and so does each of the `unreadable` rows. `bars` are `instrument`, `model.BARS` and `origin` of one
    series; `splits` (`instrument, effective, ratio`) are those that are not in their prices. The flags, which look at
    the bars before in the same answer, are raised only where they could make a good answer a poor one.
    """
    sifted = sift(bars, calendar=calendar, timeframe=timeframe)
    sound = sifted.sound
    slots = sound.height + sifted.rejected.join(sound, on=KEY, how="anti")["time"].n_unique() + unreadable
    if not slots:
        return None
    best = _total(sound, expects, pl.lit(1.0)) / slots
    if sound.is_empty() or best - _most_by_flags() >= GOOD_ENOUGH:
        return round(best, 6)
    flagged = flag(
        sound, before=sound.clear(), asset_class=asset_class, timeframe=timeframe, calendar=calendar, splits=splits
    )
    return round(_total(flagged, expects, pl.col("passed") / pl.col("applicable")) / slots, 6)


def _total(bars: pl.DataFrame, expects: frozenset[str], validation: pl.Expr) -> float:
    """The sum of the scores of some bars."""
    one = pl.lit(1.0)
    score = weighed(completeness=completeness(expects), validation=validation, features=one, freshness=one)
    return float(bars.select(score.sum()).item())


def _most_by_flags() -> float:
    """What a bar loses that raises every flag."""
    flags = len(of_kind(Kind.FLAG))
    return VALIDATION * flags / (flags + len(of_kind(Kind.HARD)))
