"""From bars to features: the ground, the formulas in their order, the answer."""

from __future__ import annotations

from functools import cache

import polars as pl

from barhouse.calendar import Calendar
from barhouse.features.funding import shown_by
from barhouse.features.ground import ground
from barhouse.features.registry import Feature, ingredients, registry
from barhouse.model import INSTANT, AssetClass, Timeframe

Type = pl.DataType | type[pl.DataType]

KEYS: dict[str, Type] = {"instrument": pl.Int32, "time": INSTANT}
COUNTS: dict[str, Type] = {"finite": pl.UInt8, "applicable": pl.UInt8}

WARMUP = 1000
"""So many earlier bars make the features of the bars after them what the whole history makes them."""


def warmup(asset_class: AssetClass, timeframe: Timeframe) -> int:
    """The same for short bars of crypto too, which take more bars to show 90 funding settlements."""
    return max(WARMUP, shown_by(timeframe)) if asset_class is AssetClass.CRYPTO else WARMUP


def compute(
    bars: pl.DataFrame,
    *,
    asset_class: AssetClass,
    timeframe: Timeframe,
    calendar: Calendar,
    splits: pl.DataFrame,
    read: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """The features of each bar, NULL where unknown: [instrument, time, the registry's, finite, applicable].

    `bars` are settled ones of the regular session, sorted by instrument and time: [instrument, time, MEASURES,
    source]; one off the grid takes no part and has no features. `splits` are [instrument, effective, ratio].
    Bars of 30 minutes and less may be absent where nothing traded: `read` are the stretches [instrument, start,
    end] that were read, left out all of them. `applicable` counts the features that had all they need, `finite`
    those of them that came to a number.
    """
    if bars.is_empty():
        return pl.DataFrame(schema=_schema())
    crypto = asset_class is AssetClass.CRYPTO
    frame = ground(bars, asset_class, timeframe, calendar, splits, read)
    for stage in _stages(crypto=crypto):
        frame = frame.with_columns(stage)
    answer = frame.select(*_answer(crypto=crypto))
    return answer if answer.height == bars.height else _every(bars, answer)


@cache
def _stages(*, crypto: bool) -> list[list[pl.Expr]]:
    """All formulas in stages, each after those whose columns it names."""
    left = {name: formula().alias(name) for name, formula in ingredients.items()}
    left |= {feature.name: feature.formula().alias(feature.name) for feature in _given(crypto=crypto)}
    stages = []
    while left:
        ready = {name for name, formula in left.items() if not left.keys() & _named(formula) - {name}}
        stages.append([left.pop(name) for name in sorted(ready)])
    return stages


def _named(formula: pl.Expr) -> set[str]:
    return set(formula.meta.root_names())


def _given(*, crypto: bool) -> list[Feature]:
    return [feature for feature in registry.values() if crypto or not feature.crypto_only]


@cache
def _answer(*, crypto: bool) -> list[pl.Expr]:
    given = _given(crypto=crypto)
    columns = [_value(feature) if feature in given else _unknown(feature) for feature in registry.values()]
    finite = pl.sum_horizontal(map(_came_out, given)).cast(pl.UInt8).alias("finite")
    applicable = pl.sum_horizontal(pl.col(feature.name).is_not_null() for feature in given)
    return [pl.col(*KEYS), *columns, finite, applicable.cast(pl.UInt8).alias("applicable")]


def _value(feature: Feature) -> pl.Expr:
    """The feature where it came to a number: what was divided by zero is unknown."""
    column = pl.col(feature.name)
    return column if feature.text else pl.when(column.is_finite()).then(column).alias(feature.name)


def _unknown(feature: Feature) -> pl.Expr:
    return pl.lit(None, feature.dtype).alias(feature.name)


def _came_out(feature: Feature) -> pl.Expr:
    column = pl.col(feature.name)
    return column.is_not_null() if feature.text else column.is_finite()


def _schema() -> dict[str, Type]:
    return {**KEYS, **{name: feature.dtype for name, feature in registry.items()}, **COUNTS}


def _every(bars: pl.DataFrame, answer: pl.DataFrame) -> pl.DataFrame:
    """The answer with a row for each bar, those without features too."""
    rows = bars.select(*KEYS).join(answer, on=[*KEYS], how="left", maintain_order="left")
    return rows.with_columns(pl.col(*COUNTS).fill_null(0))
