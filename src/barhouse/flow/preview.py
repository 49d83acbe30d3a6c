"""What a cleanup would do: each slot that holds several bars, which one stays, which ones go, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from barhouse.flow.choosing import chosen
from barhouse.flow.cleanup import doubled, kinds
from barhouse.flow.enrich import KEY, Kind
from barhouse.flow.findings import Findings
from barhouse.model import Series
from barhouse.store import bars, duplicates, instruments
from barhouse.store.postgres import Database

MOST = 200
"""Slots that are told bar by bar; the others are counted."""


@dataclass(frozen=True, slots=True)
class Crowded:
    """A slot that holds several bars."""

    series: Series
    bars: list[dict[str, Any]]
    """`time, open, high, low, close, volume, source, validated, quality_score, slot, keeps, why`, what stays first."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What a cleanup would find now."""

    slots: int
    leaving: int
    """Bars that would go."""
    told: list[Crowded]
    """The first slots, series by series."""
    failed: list[dict[str, Any]]
    """The series whose slots nobody can tell: `symbol, asset_class, timeframe, reason, severity`."""


def preview(
    db: Database, symbol: str | None = None, timeframe: str | None = None, asset_class: str | None = None
) -> Preview:
    """What `cleanup_duplicate_records` would do now with one symbol or all, slot by slot; changes nothing.

    UnknownSymbol (404), AmbiguousSymbol (409), InvalidTimeframe and InvalidAssetClass (400).
    """
    slots = leaving = 0
    shown, findings = list[Crowded](), Findings()
    with db.connection() as connection:
        names = instruments.source_names(connection)
    for kind, alike in kinds(db, chosen(db, symbol, timeframe, asset_class), findings):
        found = doubled(db, kind, duplicates.near_strays(db, sorted(alike), kind.timeframe))
        places = found.select("instrument", "slot").unique(maintain_order=True)
        slots, leaving = slots + places.height, leaving + found.height - places.height
        first = found.join(places.head(MOST - len(shown)), on=["instrument", "slot"], how="semi")
        shown += _told(db, kind, alike, first, names)
    return Preview(slots, leaving, shown, findings.failed)


def _told(
    db: Database, kind: Kind, alike: dict[int, Series], found: pl.DataFrame, names: dict[int, str]
) -> list[Crowded]:
    """Some crowded slots, each with its bars whole."""
    whole = bars.whole(db, found.select(KEY), kind.timeframe).drop("validated", "quality_score", "fetch_id")
    rows = found.with_columns(why=_why()).join(whole, on=KEY)
    rows = rows.sort("instrument", "slot", "keeps", "time", descending=[False, False, True, False])
    sources = pl.col("source").replace_strict(names, default=None, return_dtype=pl.String)
    parts = rows.with_columns(source=sources).partition_by("instrument", "slot", maintain_order=True)
    return [Crowded(alike[part["instrument"][0]], part.to_dicts()) for part in parts]


BETTER = {
    "not validated, as the other one is": pl.col("validated").fill_null(value=False),
    "of a lower quality than the other one": pl.col("quality_score").fill_nan(None).fill_null(-1.0),
    "the other one was fetched later": pl.col("fetch_id").fill_null(-1),
}
"""Why a bar goes, by what it is compared in, in that order (`checks.doubles`)."""


def _why() -> pl.Expr:
    """What the bar that stays is better in."""
    words = [
        pl.when(value != value.filter("keeps").first().over("instrument", "slot")).then(pl.lit(why))
        for why, value in BETTER.items()
    ]
    return pl.when("keeps").then(pl.lit("stays")).otherwise(pl.coalesce(*words, pl.lit("as good, but stamped earlier")))
