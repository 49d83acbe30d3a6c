"""What an answer changes in a series that is stored already."""

from __future__ import annotations

from collections.abc import Collection, Iterable
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
    "source": pl.Int16(),
}
"""A field of a stored bar that says something else now; `source` is whose bar it was until then."""
OVERRULED: Schema = {
    "instrument": pl.Int32(),
    "time": INSTANT,
    "field": pl.String(),
    "told": pl.Float64(),
    "source": pl.Int16(),
}
"""A field that a human corrected, and what `source` had told of it."""


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


def heeding(incoming: pl.DataFrame, known: pl.DataFrame, overruled: pl.DataFrame, *, source: int) -> pl.DataFrame:
    """The incoming bars, saying nothing of fields that a human corrected (`OVERRULED`) in a stored bar.

    Only the source that was overruled is heard again, once it tells another value than it did then; and where the
    bar would not hold together, since it restates the fields beside it.
    """
    corrected = overruled.join(known, on=KEY, how="semi")
    heard = incoming
    for name in corrected["field"].unique().to_list():
        before = corrected.filter(pl.col("field") == name)
        before = before.select(*KEY, pl.lit(value=True).alias("held"), before="told", whose="source")
        repeated = ~_tells(name, "before")
        held = pl.col("held").fill_null(value=False) & (pl.col("whose").ne_missing(source) | repeated)
        heard = heard.join(before, on=KEY, how="left", maintain_order="left")
        heard = heard.with_columns(pl.when(~held).then(name).alias(name)).drop("before", "whose", "held")
    return heard if corrected.is_empty() else _holding_together(heard, incoming, known)


def _holding_together(heard: pl.DataFrame, incoming: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """The bars as they are heard, but as they came where the stored values in the gaps make no bar."""
    whole = heard.select(*KEY, *PRICES).join(known.select(*KEY, *_stored(PRICES)), on=KEY, how="left")
    merged = whole.with_columns(pl.coalesce(name, f"known_{name}").alias(name) for name in PRICES)
    high, low = pl.max_horizontal("open", "low", "close"), pl.min_horizontal("open", "high", "close")
    broken = merged.filter((pl.col("high") < high) | (pl.col("low") > low)).select(KEY)
    sound = heard.join(broken, on=KEY, how="anti")
    return pl.concat([sound, incoming.join(broken, on=KEY, how="semi")]).sort(KEY)


def _paired(incoming: pl.DataFrame, known: pl.DataFrame, fields: list[str]) -> pl.DataFrame:
    """Each incoming bar beside the stored one of its slot; by position where the slots are the same anyway."""
    known = known.select(*KEY, *_stored([*fields, "source", "forming"]))
    if incoming.height == known.height and all((incoming[k] == known[k]).all() for k in KEY):
        return pl.concat([incoming, known.drop(KEY)], how="horizontal")
    return incoming.join(known, on=KEY, how="left", maintain_order="left")


def _stored(names: Iterable[str]) -> list[pl.Expr]:
    return [pl.col(name).name.prefix("known_") for name in names]


def _differs(name: str) -> pl.Expr:
    """Whether the incoming value says something else than the stored one."""
    return _tells(name, f"known_{name}")


def _tells(name: str, before: str) -> pl.Expr:
    """Whether the incoming value says something else than the one in the column `before`."""
    new, old = pl.col(name), pl.col(before)
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
            *KEY, field=pl.lit(name), old=pl.col(f"known_{name}"), new=pl.col(name), source="known_source"
        )
        for name in fields
    ]
    return pl.concat([pl.DataFrame(schema=CORRECTIONS), *rows]).sort(KEY, maintain_order=True)
