"""Why a bar is absent: it was turned away, nobody traded, the vendor has none, or it is missing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import polars as pl

from barhouse.checks import quiet
from barhouse.model import Timeframe

RANGE = pl.Schema({"instrument": pl.Int32(), "start": pl.Int64(), "end": pl.Int64()})
"""Runs of slots by their numbers, ends left out."""


class Reason(StrEnum):
    """Why an expected bar is not there; of several that hold, the first one is told."""

    QUARANTINED = "quarantined"
    NO_TRADE = "no_trade"
    VENDOR_EMPTY = "vendor_empty"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of some series besides the bars that are absent."""

    stored: pl.DataFrame
    """Their bars with the number of their slot."""
    slots: pl.DataFrame
    """All slots, the frame of `Calendar.expected`."""
    told: pl.DataFrame
    coarser: pl.DataFrame | None
    quarantined: pl.DataFrame | None

    def numbers(self, frame: pl.DataFrame, start: str, end: str) -> pl.DataFrame:
        """Stretches of time as `RANGE`: the slots that begin in them."""
        times = self.slots["time"]
        return frame.select(
            "instrument",
            start=times.search_sorted(frame[start], side="left").cast(pl.Int64),
            end=times.search_sorted(frame[end], side="left").cast(pl.Int64),
        )


def explained(runs: pl.DataFrame, known: Known, timeframe: Timeframe) -> pl.DataFrame:
    """Runs of absent slots, parted where the reason changes: [instrument, run_start, run_end, start, end, reason]."""
    fetched = merged(known.numbers(_told(known, "fetched"), "start", "end"))
    empty, failed = (merged(known.numbers(_told(known, state), "start", "end")) for state in ("empty", "failed"))
    no_trade = [
        _proved(runs, known),
        quiet.breaks(known.stored, known.slots, timeframe),
        quiet.habitual(runs, known.stored, fetched, timeframe),
    ]
    pieces = _cut(runs, [_turned_away(known), fetched, empty, failed, *no_trade])
    nobody = pl.any_horizontal(_within(pieces, merged(each)) for each in no_trade)
    told = pieces.with_columns(
        reason=pl.when(_within(pieces, _turned_away(known)))
        .then(pl.lit(Reason.QUARANTINED))
        .when(nobody)
        .then(pl.lit(Reason.NO_TRADE))
        .when(_within(pieces, empty) & ~_within(pieces, fetched) & ~_within(pieces, failed))
        .then(pl.lit(Reason.VENDOR_EMPTY))
        .otherwise(pl.lit(Reason.MISSING))
    )
    return _joined(told)


def merged(ranges: pl.DataFrame) -> pl.DataFrame:
    """The same slots in ranges that neither overlap nor touch, by instrument and start."""
    reach = pl.col("end").cum_max().shift().over("instrument")
    ordered = ranges.filter(pl.col("start") < pl.col("end")).sort("instrument", "start")
    opened = ordered.with_columns(group=(pl.col("start") > reach).fill_null(value=True).cum_sum())
    ends = opened.group_by("instrument", "group", maintain_order=True).agg(pl.min("start"), pl.max("end"))
    return ends.drop("group")


def _told(known: Known, state: str) -> pl.DataFrame:
    return known.told.filter(pl.col("state") == state)


def _turned_away(known: Known) -> pl.DataFrame:
    """The slots whose bars are in the quarantine."""
    if known.quarantined is None or known.quarantined.is_empty():
        return pl.DataFrame(schema=RANGE)
    slots = known.slots.select("time", start=pl.int_range(pl.len()))
    return known.quarantined.unique().join(slots, on="time").select("instrument", "start", end=pl.col("start") + 1)


def _proved(runs: pl.DataFrame, known: Known) -> pl.DataFrame:
    """The slots of coarser bars whose whole volume is in the stored finer ones."""
    if known.coarser is None or known.coarser.is_empty():
        return pl.DataFrame(schema=RANGE)
    coarser = known.numbers(known.coarser, "opens", "closes").with_columns(known.coarser["volume"])
    beside = coarser.filter(coarser["instrument"].is_in(runs["instrument"].unique().implode()))
    running = known.stored.select("instrument", "slot", volume=pl.col("volume").cum_sum().over("instrument"))
    volume = _until(beside, running, "end") - _until(beside, running, "start")
    same = (volume - beside["volume"]).abs() <= 1e-6 * beside["volume"]
    return beside.filter(same).select("instrument", "start", "end")


def _until(ranges: pl.DataFrame, running: pl.DataFrame, bound: str) -> pl.Series:
    """The volume of the bars before a bound of each range."""
    keys = ranges.select("instrument", pl.col(bound).alias("slot"), row=pl.int_range(pl.len())).sort("slot")
    found = keys.join_asof(
        running.sort("slot"), on="slot", by="instrument", allow_exact_matches=False, check_sortedness=False
    )
    return found.sort("row")["volume"].fill_null(0.0)


def _cut(runs: pl.DataFrame, ranges: list[pl.DataFrame]) -> pl.DataFrame:
    """The runs in pieces, none of which lies half in a range: [instrument, run_start, run_end, start, end]."""
    bounds = [each.select("instrument", start=bound) for each in ranges for bound in ("start", "end")]
    whole = runs.select("instrument", run_start="start", run_end="end", start="start").sort("start")
    cuts = pl.concat([runs.select("instrument", "start"), *bounds]).unique().sort("start")
    inside = cuts.join_asof(whole, on="start", by="instrument", check_sortedness=False)
    pieces = inside.filter(pl.col("start") < pl.col("run_end")).sort("instrument", "start")
    following = pl.col("start").shift(-1).over("instrument", "run_start")
    return pieces.select("instrument", "run_start", "run_end", "start", end=following.fill_null(pl.col("run_end")))


def _within(pieces: pl.DataFrame, ranges: pl.DataFrame) -> pl.Series:
    """Whether each piece lies in one of these ranges, which do not overlap."""
    keys = pieces.select("instrument", "start", row=pl.int_range(pl.len())).sort("start")
    found = keys.join_asof(ranges.sort("start"), on="start", by="instrument", check_sortedness=False)
    return found.sort("row").select((pl.col("start") < pl.col("end")).fill_null(value=False)).to_series()


def _joined(told: pl.DataFrame) -> pl.DataFrame:
    """Neighbouring pieces of a run that have the same reason, as one."""
    run = ["instrument", "run_start", "run_end"]
    return (
        told.with_columns(part=pl.struct(*run, "reason").rle_id())
        .group_by(*run, "part", maintain_order=True)
        .agg(pl.min("start"), pl.max("end"), pl.first("reason"))
        .drop("part")
    )
