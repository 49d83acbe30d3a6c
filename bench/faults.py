"""How many faults that were put into real series are found, and how much of what is found is one."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import groupby
from random import Random
from typing import Any

import polars as pl

from barhouse import checks
from barhouse.flow import sessions
from barhouse.flow.batch import Batch
from barhouse.flow.ingest import keep
from barhouse.model import ALWAYS_OPEN, BARS, INSTANT, PRICES, AssetClass, Series, Span, Timeframe
from barhouse.sources.base import Fetched
from barhouse.store.postgres import Database
from bench.data import series_of
from bench.harness import Figure, figure, warehouse
from bench.seeding import SIZES, Clean, Seeded, clean_series, faults

SEED = 20260701

EVERY = 150
"""Bars of a copy for one fault in it, in the mean; a missed split and a shifted session have copies of their own."""

LEAST = 300
"""Faults of each kind at the least."""

LARGE = 0.05
"""The size from which on a fault counts for the aim."""

FOUND = {"instrument": pl.Int32(), "start": INSTANT, "end": INSTANT, "by": pl.String()}
"""What a check listed: from which slot to which."""

AIM = 0.98


@figure
def detector_recall() -> Figure:
    """The share of faults of more than five per cent that are found, of the kind of which most are missed."""
    kinds = {kind: _recall(found) for kind, found in _judged().items()}
    return _worst("detector_recall", kinds)


@figure
def detector_precision() -> Figure:
    """The share of what is listed that was put there, of the kind with the most false alarms; real moves are none.

    What is listed in the untouched series is their own fault, and counts neither way.
    """
    kinds = {kind: _precision(found) for kind, found in _judged().items()}
    return _worst("detector_precision", kinds)


def _worst(name: str, kinds: dict[str, dict[str, Any]]) -> Figure:
    worst = min(each["value"] for each in kinds.values())
    return Figure(name, worst, "share", 1.0, worst, {"aim": AIM, **kinds})


def _recall(judged: dict[str, pl.DataFrame]) -> dict[str, Any]:
    told = judged["faults"].with_columns(large=pl.col("size") > LARGE)
    large = told.filter("large")["found"]
    sizes = told.group_by(pl.col("size").cut(SIZES[1:-1]).alias("upto"), maintain_order=True).agg(
        pl.len().alias("seeded"), pl.mean("found").round(4).alias("found")
    )
    return {
        "value": _share(large),
        "seeded": len(large),
        "by_size": sizes.sort("upto").cast({"upto": pl.String}).to_dicts(),
    }


def _precision(judged: dict[str, pl.DataFrame]) -> dict[str, Any]:
    listed = judged["listed"]["seeded"]
    return {"value": _share(listed), "listed": len(listed)}


def _share(held: pl.Series) -> float:
    return round(float(held.sum()) / len(held), 4)


@cache
def _judged() -> dict[str, dict[str, pl.DataFrame]]:
    """For each kind its `faults` [size, found] and what was `listed` [seeded]."""
    series = list(clean_series())
    kinds = {kind: _looked_for(kind, series) for kind in faults}
    return {kind.lstrip("_"): each for kind, each in kinds.items()} | {"late_restatement": _restated(series)}


def _looked_for(kind: str, series: list[Clean]) -> dict[str, pl.DataFrame]:
    """Faults of a kind in copies of all series that can have it, until there are enough."""
    fit = [each for each in series if _can_have(kind, each)]
    random = Random(f"{SEED} {kind}")
    rounds: list[dict[str, pl.DataFrame]] = []
    while sum(each["faults"].height for each in rounds) < LEAST:
        copies = [faults[kind](each, _rows(kind, each, random), random) for each in fit]
        rounds += [_found(same) for same in _alike(copies)]
    return {name: pl.concat(each[name] for each in rounds) for name in ("faults", "listed")}


def _can_have(kind: str, series: Clean) -> bool:
    """Coins are not split, and markets that never close have no session to be shifted."""
    match kind:
        case "dst_shift":
            return series.timeframe.intraday and series.calendar.name != ALWAYS_OPEN
        case "missed_split":
            return series.asset_class is not AssetClass.CRYPTO
        case _:
            return True


def _rows(kind: str, series: Clean, random: Random) -> list[int]:
    count = 1 if kind == "missed_split" else max(series.bars.height // EVERY, 1)
    return sorted(random.sample(range(series.bars.height), count))


def _alike(copies: list[Seeded]) -> Iterator[list[Seeded]]:
    """The copies that the checks look at together."""

    def kind(copy: Seeded) -> tuple[str, str]:
        return copy.series.timeframe, copy.series.calendar.name

    for _, same in groupby(sorted(copies, key=kind), key=kind):
        yield list(same)


def _found(copies: list[Seeded]) -> dict[str, pl.DataFrame]:
    """Which faults of some copies were found, and which of the listed findings is one."""
    before = _checked([(each.series, each.series.bars) for each in copies])
    listed = _checked([(each.series, each.bars) for each in copies])
    own = ["instrument", "start", "end"]
    new = listed.join(before, on=own, how="anti").with_row_index("finding")
    seeded = pl.concat(
        each.faults.with_columns(pl.lit(key, pl.Int32).alias("instrument")) for key, each in enumerate(copies)
    ).with_row_index("fault")
    met = seeded.join(new, on="instrument").filter(_meets(copies[0].series))
    return {
        "faults": seeded.select("size", found=pl.col("fault").is_in(met["fault"].implode())),
        "listed": new.select(seeded=pl.col("finding").is_in(met["finding"].implode())),
    }


def _meets(series: Clean) -> pl.Expr:
    """Whether a finding names the bar of a fault; of a session that is shifted all absent and first bars are told."""
    shift = timedelta(hours=1) if series.timeframe.intraday else timedelta()
    day = pl.col("start").dt.date() == pl.col("time").dt.date()
    shifted = (pl.col("by") == checks.Verdict.CLOCK_SHIFT) & ((pl.col("start") - pl.col("time")).abs() <= shift)
    return pl.col("time").is_between("start", "end") | shifted | ((pl.col("by") == "missing") & day)


def _checked(copies: list[tuple[Clean, pl.DataFrame]]) -> pl.DataFrame:
    """All that the product would list of some series (`FOUND`)."""
    series = copies[0][0]
    calendar, timeframe = series.calendar, series.timeframe
    bars = pl.concat(
        rows.select(pl.lit(key, pl.Int32).alias("instrument"), *STORED) for key, (_, rows) in enumerate(copies)
    )
    splits = pl.concat(
        each.splits.select(pl.lit(key, pl.Int32).alias("instrument"), "effective", "ratio")
        for key, (each, _) in enumerate(copies)
    )
    gaps = checks.gaps(bars, told=_read(bars), calendar=calendar, timeframe=timeframe).filter(
        pl.col("reason") != "no_trade"
    )
    doubles = checks.doubles(bars, calendar=calendar, timeframe=timeframe).unique(["instrument", "slot"])
    moved = checks.outliers({timeframe: bars}, asset_class=series.asset_class, calendar=calendar, splits=splits)
    listed = moved.filter(pl.col("verdict") != "real_move")
    return pl.concat(
        [
            gaps.select("instrument", start="first", end="last", by="reason"),
            doubles.select("instrument", start="slot", end="slot", by=pl.lit("duplicate")),
            listed.select("instrument", start="time", end="time", by="verdict"),
        ]
    ).cast(pl.Schema(FOUND))


STORED = ("time", *PRICES, "volume", "extended", "forming", "validated", "quality_score", "fetch_id")


def _read(bars: pl.DataFrame) -> pl.DataFrame:
    """The coverage of series that were read in one go."""
    spans = bars.group_by("instrument").agg(pl.min("time").alias("start"), pl.max("time").alias("end"))
    return spans.with_columns(state=pl.lit("fetched"))


def _restated(series: list[Clean]) -> dict[str, pl.DataFrame]:
    """Bars that their vendor tells otherwise later, through the whole way in: each is one correction."""
    random = Random(f"{SEED} restated")
    days = [each for each in series if each.timeframe is Timeframe.D1][:10]
    with warehouse() as db:
        calendar = sessions.calendar(db, "XNYS")
        known = series_of(db, len(days), Timeframe.D1)
        later = [_told_later(each, random) for each in days]
        for rows in ([each.bars for each in days], [bars for bars, _ in later]):
            batch = [_answer(one, bars) for one, bars in zip(known, rows, strict=True)]
            keep(db, Batch(batch, calendar), datetime.now(UTC))
        written = _corrections(db)
    told = pl.concat(
        each.with_columns(instrument=one.instrument.number) for one, (_, each) in zip(known, later, strict=True)
    )
    key = ["instrument", "time", "field"]
    told, written = told.cast({"instrument": pl.Int32}), written.with_columns(seeded=pl.lit(value=True))
    met = told.join(written, on=key, how="left")
    hit = written.join(told, on=key, how="left")
    return {
        "faults": met.select("size", found=pl.col("seeded").fill_null(value=False)),
        "listed": hit.select(seeded=pl.col("size").is_not_null()),
    }


def _told_later(series: Clean, random: Random) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The bars with higher highs, lower lows or other volumes in places, and which [time, field, size]."""
    rows = sorted(random.sample(range(series.bars.height), max(series.bars.height // EVERY * 4, 1)))
    sizes = [math.exp(random.uniform(math.log(1e-5), math.log(0.5))) for _ in rows]
    fields = [random.choice(("high", "low", "volume")) for _ in rows]
    bars = series.bars
    for name, sign in (("high", 1), ("low", -1), ("volume", 1)):
        own = [number for number, field in enumerate(fields) if field == name]
        factor = pl.Series([1.0] * bars.height).scatter([rows[n] for n in own], [1 + sign * sizes[n] for n in own])
        bars = bars.with_columns(pl.col(name) * factor)
    return bars, bars[rows].select("time", field=pl.Series(fields), size=pl.Series(sizes))


def _answer(series: Series, bars: pl.DataFrame) -> Fetched:
    """These bars as a vendor's answer."""
    rows = bars.select(pl.col(n) if n in bars.columns else pl.lit(None, k).alias(n) for n, k in BARS.items())
    span = Span(rows["time"][0], rows["time"][-1] + timedelta(days=1))
    raw = pl.DataFrame({"row": pl.int_range(rows.height, eager=True)})
    return Fetched(series, "polygon", span, rows.with_row_index("origin").select(*BARS, "origin"), raw)


def _corrections(db: Database) -> pl.DataFrame:
    with db.connection() as connection:
        rows = connection.execute('SELECT instrument, "timestamp", field_corrected FROM data_corrections').fetchall()
    return pl.DataFrame(rows, schema={"instrument": pl.Int32, "time": INSTANT, "field": pl.String}, orient="row")
