"""What an answer changes in a series that is stored already."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import polars as pl

from barhouse.model import INSTANT, MEASURES, PRICES, Schema

KEY = ["instrument", "time"]
PRICE_TOLERANCE = 1e-6
"""Prices that differ by less, relatively, are the same price written differently."""
PRICE_FIELDS = {*PRICES, "vwap"}
CORRECTIONS: Schema = {
    "instrument": pl.Int32(),
    "time": INSTANT,
    "field": pl.String(),
    "old": pl.Float64(),
    "new": pl.Float64(),
}


@dataclass(frozen=True, slots=True)
class Difference:
    """Incoming bars against the stored ones; every incoming bar is in `new`, in `changed` or left as it was."""

    new: pl.DataFrame
    changed: pl.DataFrame
    """Incoming bars that replace the stored one; `settled` says that the stored one was no longer forming.

    Of a settled one the fields that were not restated stay exactly as they are stored.
    """
    corrections: pl.DataFrame
    """A row a field that was restated in a settled bar: `CORRECTIONS`."""

    @property
    def fresh(self) -> pl.DataFrame:
        """All that has to be written."""
        return pl.concat([self.new, self.changed.select(self.new.columns)])


def told(bars: pl.DataFrame) -> list[str]:
    """The measures that an answer says anything about: a NULL never overwrites what is known."""
    return [name for name in MEASURES if bars[name].null_count() < bars.height]


def difference(incoming: pl.DataFrame, known: pl.DataFrame, *, outranks: Collection[int]) -> Difference:
    """Compare bars of one source with the stored ones in their slots.

    Both are unique and sorted by (instrument, time); `known` has the measures that `incoming` tells, `source` and
    `forming`. A stored bar is restated only where its source is one of `outranks` (the source itself and those
    after it in the order of the class); a forming one gives way to any later look at it, whoever looks.
    """
    if known.is_empty():
        none = incoming.clear().with_columns(settled=pl.lit(value=False))
        return Difference(incoming, none, pl.DataFrame(schema=CORRECTIONS))
    fields = [name for name in told(incoming) if name in known.columns]
    paired = _paired(incoming, known, fields)
    stored = pl.col("known_forming").is_not_null()
    settled = ~pl.col("known_forming")
    may = (pl.col("known_source").is_in(list(outranks)) | ~settled) & ~(settled & pl.col("forming"))
    paired = paired.with_columns((_differs(name) & may).alias(f"differs_{name}") for name in fields)
    differs = pl.any_horizontal(pl.lit(value=False), *(f"differs_{name}" for name in fields))
    settles = may & pl.col("known_forming") & ~pl.col("forming")
    changed = paired.filter(stored & (differs | settles))
    return Difference(
        new=paired.filter(~stored).select(incoming.columns),
        changed=changed.with_columns(_restated(name, settled) for name in fields).select(
            *incoming.columns, settled.alias("settled")
        ),
        corrections=_corrections(changed.filter(settled), fields),
    )


def _paired(incoming: pl.DataFrame, known: pl.DataFrame, fields: list[str]) -> pl.DataFrame:
    """Each incoming bar beside the stored one of its slot; by position where the slots are the same anyway."""
    known = known.select(*KEY, *(pl.col(name).name.prefix("known_") for name in [*fields, "source", "forming"]))
    if incoming.height == known.height and all((incoming[k] == known[k]).all() for k in KEY):
        return pl.concat([incoming, known.drop(KEY)], how="horizontal")
    return incoming.join(known, on=KEY, how="left", maintain_order="left")


def _differs(name: str) -> pl.Expr:
    """Whether the incoming value says something else than the stored one."""
    new, old = pl.col(name), pl.col(f"known_{name}")
    if name not in PRICE_FIELDS:
        return new.is_not_null() & new.ne_missing(old)
    beyond = (new - old).abs() >= PRICE_TOLERANCE * old.abs()
    return new.is_not_null() & (new != old).fill_null(True) & beyond.fill_null(True)


def _restated(name: str, settled: pl.Expr) -> pl.Expr:
    """The incoming value, and the stored one where that stays."""
    return pl.when(settled & ~pl.col(f"differs_{name}")).then(f"known_{name}").otherwise(name).alias(name)


def _corrections(changed: pl.DataFrame, fields: list[str]) -> pl.DataFrame:
    rows = [
        changed.filter(f"differs_{name}").select(
            *KEY, field=pl.lit(name), old=pl.col(f"known_{name}"), new=pl.col(name)
        )
        for name in fields
    ]
    return pl.concat([pl.DataFrame(schema=CORRECTIONS), *rows]).sort(KEY, maintain_order=True)
