"""Whole bars out, whole bars in: what is no fetch, with its proof, and all that hangs on those bars."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import polars as pl
from psycopg import Connection

from barhouse import checks
from barhouse.errors import UnknownBar
from barhouse.flow import holes
from barhouse.flow.enrich import CONTEXT, KEY, Kind, derived, stretched, surroundings
from barhouse.model import EXTRAS, INSTANT, MEASURES, Schema, instant
from barhouse.sources.usual import USUAL
from barhouse.store import actions, bars, instruments, stays
from barhouse.store import features as feature_store
from barhouse.store.postgres import Database

PLACED: Schema = {
    "instrument": pl.Int32(),
    "time": INSTANT,
    **MEASURES,
    "fetch_id": pl.Int64(),
    "source": pl.Int16(),
    "extended": pl.Boolean(),
    "forming": pl.Boolean(),
}
"""A whole bar that is put in; its verdict is found anew."""
SENT = (*EXTRAS, "taker_buy_volume")
"""What some sources send with each bar, and others never."""
VERDICT = ["quality_score", "validated", "flags"]


@dataclass(frozen=True, slots=True)
class Rejudged:
    """What a rewrite makes of the bars that come and of those that hang on them."""

    bars: pl.DataFrame
    """`PLACED` with the verdict."""
    features: pl.DataFrame


def rewrite(
    db: Database,
    connection: Connection,
    kind: Kind,
    *,
    gone: pl.DataFrame,
    placed: pl.DataFrame,
    cause: str,
    last_look: Callable[[datetime], None] = lambda _: None,
) -> datetime:
    """Take the bars at `gone` (instrument, time) out, put the bars `placed` (`PLACED`) in; the instant of it.

    All series are of one `kind`. A placed bar whose slot is taken sends that one away. What leaves is kept whole with
    the `cause`, and verdicts and features of all bars that depend on the change follow, in the transaction of the
    caller, who has written no other bar of these series in it; `last_look` is called with the instant, when all is
    still in its place. UnknownBar (404) if one of `gone` is not there.
    """
    timeframe = kind.timeframe
    bars.lock(connection, timeframe, sorted({*gone["instrument"], *placed["instrument"]}))
    leaving = _leaving(db, gone, placed, kind)
    moved = moves(leaving, placed, kind)
    around = neighbours(db, stretched(placed, moved), leaving, kind)
    rejudged = rejudge(connection, placed, around, moved, kind)
    feature_store.replace(connection, rejudged.features, timeframe, moved=moved)
    now = stays.moment(connection)
    last_look(now)
    stays.leave(connection, leaving, timeframe, at=now, cause=cause)
    coming = rejudged.bars.join(placed, on=KEY, how="semi")
    bars.insert(connection, coming.with_columns(timeframe=pl.lit(timeframe.code, pl.Int16)))
    stays.come(connection, coming, timeframe, at=now, cause=cause)
    bars.rejudge(connection, changed_verdicts(rejudged.bars, around), timeframe)
    actions.review(connection, stretched(leaving, placed.select(KEY)))
    bars.restamp(connection, _more(leaving, placed), timeframe, at=now)
    return now


def rejudge(
    connection: Connection, placed: pl.DataFrame, around: pl.DataFrame, moved: pl.DataFrame, kind: Kind
) -> Rejudged:
    """Judge `placed` bars anew, and those `around` them (all columns) that come after anything that `moved`.

    A bar without a score is nobody's to judge: another tool wrote it so.
    """
    stretches = stretched(placed, moved)
    after = around.join(stretches, on="instrument").filter(pl.col("time") >= pl.col("first"))
    dependent = after.filter(pl.col("quality_score").is_not_null()).select(*PLACED)
    fresh = pl.concat([placed.select(*PLACED), dependent]).sort(KEY)
    splits = actions.splits(connection, stretches["instrument"].to_list())
    read = holes.read(connection, stretches["instrument"].to_list(), kind.timeframe)
    features = derived(fresh, around.select(CONTEXT), stretches, kind, splits=splits, read=read)
    scored = _scored(_flagged(fresh, around, kind, splits), features, instruments.source_names(connection))
    moving = features.join(moved.select("instrument").unique(), on="instrument", how="semi")
    return Rejudged(scored, moving.drop("finite", "applicable"))


def changed_verdicts(judged: pl.DataFrame, stored: pl.DataFrame) -> pl.DataFrame:
    """The judged bars whose stored verdict is another one."""
    both = judged.join(stored.select(*KEY, pl.col(VERDICT).name.prefix("stored_")), on=KEY)
    return both.filter(pl.any_horizontal(pl.col(name).ne_missing(pl.col(f"stored_{name}")) for name in VERDICT))


def _leaving(db: Database, gone: pl.DataFrame, placed: pl.DataFrame, kind: Kind) -> pl.DataFrame:
    """The stored bars that leave, whole: those named, and those whose slots are wanted."""
    keys = pl.concat([gone.select(KEY), placed.select(KEY)]).unique().sort(KEY)
    stored = bars.whole(db, keys, kind.timeframe)
    for number, time in gone.join(stored, on=KEY, how="anti").select(KEY).head(1).iter_rows():
        raise UnknownBar(f"instrument {number} in {kind.timeframe}", instant(time))
    return stored


def neighbours(db: Database, stretches: pl.DataFrame, leaving: pl.DataFrame, kind: Kind) -> pl.DataFrame:
    """The whole bars that stay around the change, as far as they bear on it or it on them."""
    reach = kind.look_back
    around = surroundings(db, stretches, kind, before=reach, after=reach, columns=list(bars.COLUMNS))
    return around.join(leaving, on=KEY, how="anti", maintain_order="left")


def moves(leaving: pl.DataFrame, placed: pl.DataFrame, kind: Kind) -> pl.DataFrame:
    """Where the bars that others hang on change: regular, settled, on their slot, and not the same as before."""
    told = [*KEY, *MEASURES, "source"]
    before, after = (_bearing(each, kind).select(told) for each in (leaving, placed))
    ways = [(before, after), (after, before)]
    moved = [one.join(other, on=told, how="anti", nulls_equal=True).select(KEY) for one, other in ways]
    return pl.concat(moved).unique().sort(KEY)


def _bearing(whole: pl.DataFrame, kind: Kind) -> pl.DataFrame:
    regular = whole.filter(~pl.col("extended") & ~pl.col("forming"))
    return kind.calendar.located(regular.drop("extended"), kind.timeframe).filter("on_grid")


def _flagged(fresh: pl.DataFrame, around: pl.DataFrame, kind: Kind, splits: pl.DataFrame) -> pl.DataFrame:
    return checks.flag(
        fresh.with_columns(origin=pl.lit(0, pl.UInt32)),
        before=around.select(CONTEXT),
        asset_class=kind.asset_class,
        timeframe=kind.timeframe,
        calendar=kind.calendar,
        splits=splits,
    )


def _scored(flagged: pl.DataFrame, features: pl.DataFrame, names: Mapping[int, str]) -> pl.DataFrame:
    """The bars with their verdict, each judged by what its own source normally sends."""
    shares = features.select(*KEY, feature_finite="finite", feature_applicable="applicable")
    known = flagged.join(shares, on=KEY, how="left", maintain_order="left")
    scored = [
        checks.score(part, expects=_sent(part, names.get(part["source"][0]))).select(*KEY, *VERDICT)
        for part in known.partition_by("source")
    ]
    return known.select(*PLACED).join(pl.concat(scored), on=KEY, maintain_order="left") if scored else _none()


def _sent(part: pl.DataFrame, source: str | None) -> frozenset[str]:
    """The columns beyond the five that a source sends: a vendor's are known, others are known by their bars."""
    usual = USUAL.get(source or "")
    return frozenset(name for name in SENT if part[name].null_count() < part.height) if usual is None else usual


def _none() -> pl.DataFrame:
    return pl.DataFrame(schema={name: bars.COLUMNS[name] for name in [*PLACED, *VERDICT]})


def _more(leaving: pl.DataFrame, placed: pl.DataFrame) -> dict[int, int]:
    """How many bars more each series has now."""
    more = Counter(placed["instrument"])
    more.subtract(Counter(leaving["instrument"]))
    return dict(more)
