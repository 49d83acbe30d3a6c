"""Corrections by hand: one call, with its reason and its author, and all that follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from typing import Any

import polars as pl
from psycopg import Connection

from barhouse import checks
from barhouse.errors import InvalidParameter, UnknownBar
from barhouse.flow import instruments, sessions
from barhouse.flow.actions import reconsider
from barhouse.flow.enrich import KEY, Kind, stretched
from barhouse.flow.rewrite import PLACED, VERDICT, Rejudged, changed_verdicts, moves, neighbours, rejudge
from barhouse.flow.sweep import sweep
from barhouse.flow.wording import legible
from barhouse.model import BARS, MEASURES, PRICES, AssetClass, Series, Timeframe, instant, moment
from barhouse.store import actions, bars, corrections, features, stays
from barhouse.store.postgres import Database

FIVE = (*PRICES, "volume")
SHOWN = (*MEASURES, *VERDICT)


@dataclass(frozen=True, slots=True)
class Corrected:
    """What a correction made of a bar."""

    series: Series
    time: datetime
    before: dict[str, Any]
    """All measures and the verdict."""
    after: dict[str, Any]
    at: datetime | None
    """The instant from which readers see it; None if nothing was written: a dry run, or equal values."""

    @property
    def changed(self) -> list[str]:
        """The measures that say something else now."""
        return [name for name in MEASURES if self.before[name] != self.after[name]]


def correct(
    db: Database,
    symbol: str,
    time: datetime | str,
    values: Mapping[str, float | None],
    *,
    reason: str,
    author: str,
    timeframe: str = "1d",
    asset_class: str | None = None,
    bug_fix: bool = False,
    dry_run: bool = False,
) -> Corrected:
    """Correct fields of the stored bar that starts at `time`; with `dry_run` only say what would come of it.

    The bar is judged anew, verdicts and features of all that depend on it follow, and each changed field is written
    down with its old value, `reason` and `author`. From then on its source is not heard on that field unless it tells
    another value than the one that was corrected. Anomalies of the instrument are found, or resolved, at once.
    UnknownBar (404) if there is none; InvalidParameter (422) for a field or value that none is, a bar that is still
    forming, and one that would be impossible then.
    """
    _sensible(values, reason, author)
    instrument = instruments.find(db, symbol, None if asset_class is None else AssetClass.of(asset_class))
    series = Series(instrument, Timeframe.of(timeframe))
    kind = Kind(instrument.asset_class, series.timeframe, sessions.calendar(db, instrument.exchange))
    with db.transaction() as connection:
        bars.lock(connection, series.timeframe, [instrument.number])
        stored = _stored(db, series, moment(time if isinstance(time, str) else time.isoformat()))
        wanted = stored.with_columns(pl.lit(value, pl.Float64).alias(name) for name, value in values.items())
        _possible(wanted, kind)
        told = _told(stored, wanted)
        if told.is_empty():
            return _corrected(series, stored, stored, None)
        around = neighbours(db, stretched(wanted, wanted.select(KEY)), stored, kind)
        rejudged = rejudge(connection, wanted, around, moves(stored, wanted, kind), kind)
        after = stored.drop(*PLACED, *VERDICT).hstack(rejudged.bars.join(wanted, on=KEY, how="semi"))
        if dry_run:
            return _corrected(series, stored, after, None)
        now = _write(connection, after, around, rejudged, kind)
        why = "bug_fix" if bug_fix else "manual_correction"
        corrections.write(connection, told, series.timeframe, at=now, by=author, reason=why, note=reason)
        actions.review(connection, stretched(wanted, wanted.select(KEY)))
    reconsider(db, [instrument.number])
    sweep(db, [series], timeframe=series.timeframe)
    return _corrected(series, stored, after, now)


def _sensible(values: Mapping[str, float | None], reason: str, author: str) -> None:
    if not reason.strip() or not author.strip():
        raise InvalidParameter("A correction needs a reason and an author")
    legible(reason=reason, author=author)
    if not values:
        raise InvalidParameter("A correction names at least one field and its value")
    if unknown := values.keys() - MEASURES.keys():
        raise InvalidParameter(f"No field {', '.join(sorted(unknown))}; there are {', '.join(MEASURES)}")
    for name, value in values.items():
        if (value is None and name in FIVE) or (value is not None and not isfinite(value)):
            raise InvalidParameter(f"{name}: {value} is no value of a bar")


def _stored(db: Database, series: Series, start: datetime) -> pl.DataFrame:
    """The one bar, whole."""
    key = pl.DataFrame([(series.instrument.number, start)], schema={name: PLACED[name] for name in KEY}, orient="row")
    found = bars.whole(db, key, series.timeframe)
    if found.is_empty():
        raise UnknownBar(str(series), instant(start))
    if found["forming"][0]:
        raise InvalidParameter(f"The bar of {series} at {instant(start)} is still forming; it will be read again")
    return found


def _possible(wanted: pl.DataFrame, kind: Kind) -> None:
    """InvalidParameter if the bar would fail a hard check; where it stands is not what is corrected."""
    rows = wanted.select("instrument", *BARS, pl.lit(0, pl.UInt32).alias("origin"))
    rejected = checks.sift(rows, calendar=kind.calendar, timeframe=kind.timeframe).rejected
    names = {name for reason in rejected["reason"] for name in reason.split(",")} - {"off_grid"}
    if names:
        told = " ".join(checks.registry[name].doc for name in sorted(names))
        raise InvalidParameter(f"That would be no bar any more. {told} Correct the fields beside it in the same call")


def _told(stored: pl.DataFrame, wanted: pl.DataFrame) -> pl.DataFrame:
    """A row a field that is changed (`difference.CORRECTIONS` and a `fetch_id`, which there is none)."""
    rows = [
        stored.select(*KEY, field=pl.lit(name), old=pl.col(name), new=wanted[name], source="source")
        for name in MEASURES
        if not stored[name].equals(wanted[name], null_equal=True)
    ]
    return pl.concat(rows).with_columns(fetch_id=pl.lit(None, pl.Int64)) if rows else stored.clear()


def _write(
    connection: Connection, after: pl.DataFrame, around: pl.DataFrame, rejudged: Rejudged, kind: Kind
) -> datetime:
    """Put the bar in its place, and what hangs on it; the instant of the new revision."""
    features.replace(connection, rejudged.features, kind.timeframe)
    bars.replace(connection, after, kind.timeframe)
    bars.rejudge(connection, changed_verdicts(rejudged.bars, around), kind.timeframe)
    now = stays.moment(connection)
    bars.restamp(connection, {after["instrument"][0]: 0}, kind.timeframe, at=now)
    return now


def _corrected(series: Series, stored: pl.DataFrame, after: pl.DataFrame, at: datetime | None) -> Corrected:
    before, then = (frame.select(SHOWN).row(0, named=True) for frame in (stored, after))
    return Corrected(series, stored["time"][0], before, then, at)
