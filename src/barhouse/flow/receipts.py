"""What a fetch leaves behind beside its bars: true counts, corrections, the quarantine, coverage."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TypedDict
from uuid import UUID

import polars as pl
from psycopg import Connection

from barhouse import checks
from barhouse.flow.batch import Batch, revisit
from barhouse.flow.enrich import KEY
from barhouse.sources.base import Fetched
from barhouse.store import corrections, coverage, quarantine
from barhouse.store.difference import Difference
from barhouse.store.fetches import Fetch


def told(
    batch: Batch,
    ids: dict[int, int],
    sifted: checks.Sifted,
    sound: pl.DataFrame,
    difference: Difference,
    stamps: dict[int, datetime],
    features: dict[int, int],
) -> list[Fetch]:
    """What came of each fetch, in figures that add up."""
    inserted, updated = _counts(difference.new), _counts(difference.changed)
    sounds, rejected = _counts(sound), _counts(sifted.rejected)
    return [
        Fetch(
            id=ids[key],
            series=each.series,
            source=each.source,
            span=each.span,
            calls=each.calls,
            fetched=each.bars.height + each.rejects.height,
            inserted=inserted.get(key, 0),
            updated=updated.get(key, 0),
            unchanged=sounds.get(key, 0) - inserted.get(key, 0) - updated.get(key, 0),
            quarantined=rejected.get(key, 0) + each.rejects.height,
            response_ms=each.response_ms,
            quota=each.quota_remaining,
            **_weighed(each),
            stamped_at=stamps.get(key),
            features=features.get(key, 0),
            execution=batch.executions.get(key),
        )
        for key, each in zip(batch.keys, batch.fetched, strict=True)
    ]


def outdone(fetched: Fetched, number: int, execution: UUID | None) -> Fetch:
    """What the log says of an answer of which nothing was kept, since another was better."""
    return Fetch(
        number,
        fetched.series,
        fetched.source,
        fetched.span,
        calls=fetched.calls,
        fetched=fetched.bars.height + fetched.rejects.height,
        response_ms=fetched.response_ms,
        quota=fetched.quota_remaining,
        **_weighed(fetched),
        execution=execution,
    )


class _Weighed(TypedDict, total=False):
    quality: float | None
    compared_with: str | None
    compared_score: float | None


def _weighed(fetched: Fetched) -> _Weighed:
    """How good an answer was, beside whose."""
    told = fetched.weighed
    if told is None:
        return {}
    return {"quality": told.score, "compared_with": told.other, "compared_score": told.other_score}


def _counts(frame: pl.DataFrame) -> dict[int, int]:
    """How many rows there are of each instrument."""
    return dict(frame.group_by("instrument").len().iter_rows())


def write_down(
    connection: Connection,
    batch: Batch,
    difference: Difference,
    source: int,
    ids: dict[int, int],
    stamps: dict[int, datetime],
) -> None:
    """A row a restated field, at the instant of the series' new revision; one more where the bar changed hands."""
    if difference.corrections.is_empty():
        return
    restated = pl.concat([difference.corrections, _changed_hands(difference.corrections, source)])
    restated = restated.with_columns(fetch_id=pl.col("instrument").replace_strict(ids, return_dtype=pl.Int64))
    corrections.write(connection, restated, batch.timeframe, at=max(stamps.values()), by=batch.source)


def _changed_hands(restated: pl.DataFrame, source: int) -> pl.DataFrame:
    """The bars that were another source's, as corrections of the field `source` by their numbers."""
    others = restated.unique(KEY).filter(pl.col("source") != source)
    return others.with_columns(
        field=pl.lit("source"), old=pl.col("source").cast(pl.Float64), new=pl.lit(source, pl.Float64)
    )


def set_aside(connection: Connection, batch: Batch, sifted: checks.Sifted, source: int, ids: dict[int, int]) -> None:
    """What was no bar goes to the quarantine, as it came, with the reason."""
    faulty = set(sifted.rejected["instrument"])
    for each in batch.fetched:
        key = each.series.instrument.number
        if key not in faulty and each.rejects.is_empty():
            continue
        rejected = sifted.rejected.filter(pl.col("instrument") == key)
        rows = pl.concat(
            [
                rejected.select("time", "reason").with_columns(payload=_payloads(each, rejected["origin"])),
                each.rejects.select("time", "reason", "payload"),
            ]
        )
        quarantine.keep(
            connection,
            rows.select(
                pl.lit(key, pl.Int32).alias("instrument"),
                pl.lit(batch.timeframe.code, pl.Int16).alias("timeframe"),
                "time",
                pl.lit(source, pl.Int16).alias("source"),
                pl.lit(ids[key], pl.Int64).alias("fetch_id"),
                "reason",
                "payload",
            ),
        )


def _payloads(each: Fetched, origins: pl.Series) -> pl.Series:
    """The vendor's own rows behind some bars, as JSON."""
    rows = each.raw[origins.to_list()].rows(named=True) if len(origins) else []
    return pl.Series([json.dumps(row, default=str) for row in rows], dtype=pl.String)


def cover(connection: Connection, each: Fetched, batch: Batch, source: int, ids: dict[int, int], now: datetime) -> None:
    """From now on this span counts as read."""
    came = each.bars.height + each.rejects.height
    state = coverage.State.FETCHED if came else coverage.State.EMPTY
    stretch = coverage.Stretch(each.span, state, now, fetch_id=ids[each.series.instrument.number])
    coverage.record(connection, each.series, source, stretch, revisit(batch.calendar))
