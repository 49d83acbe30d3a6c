"""Which spans of a series were asked of a source, and what came of it; a backfill is what is missing here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import polars as pl
from psycopg import Connection

from barhouse.model import INSTANT, Schema, Series, Span, Timeframe
from barhouse.store.queries import queries

query = queries("coverage")


class State(StrEnum):
    """What came of asking."""

    FETCHED = "fetched"
    EMPTY = "empty"
    FAILED = "failed"
    """The source was away or erred: it may well have bars there."""
    REFUSED = "refused"
    """The source will not tell, by its plan or as it reads the request: that stays as it is."""
    UNREACHABLE = "unreachable"
    UNKNOWN = "unknown"
    """The source does not know the symbol, which says nothing of its bars."""


FORGOTTEN = timedelta(days=30)
"""After so long a source is asked again whether it knows a symbol by now."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A span that a source was asked for, when, and what came of it."""

    span: Span
    state: State
    read_at: datetime
    reason: str | None = None
    attempts: int = 1
    fetch_id: int | None = None

    def kept(self, fresh_since: datetime | None) -> Stretch:
        """The same; as if its vendor had nothing to change there any more, where it was read since then."""
        if fresh_since is None or self.state is not State.FETCHED or self.read_at < fresh_since:
            return self
        return replace(self, read_at=datetime.max.replace(tzinfo=UTC))

    def is_final(self, revisit: timedelta) -> bool:
        """Whether it was read so late after its end that the vendor has nothing to change there any more."""
        return self.read_at >= self.span.end + revisit

    def settled(self, now: datetime, revisit: timedelta) -> Span | None:
        """The part that need not be asked again now; an empty answer is asked again after 2, 4, 8 … days."""
        match self.state:
            case State.FETCHED:
                end = min(self.span.end, self.read_at - revisit)
                return Span(self.span.start, end) if end > self.span.start else None
            case State.EMPTY:
                return self.span if now < self.read_at + timedelta(days=2 ** min(self.attempts, 6)) else None
            case State.UNREACHABLE:
                return self.span
            case State.FAILED | State.REFUSED | State.UNKNOWN:
                return None

    def is_unknown(self, now: datetime) -> bool:
        """Whether the source said so lately that it does not know the symbol that it need not be asked again now."""
        return self.state is State.UNKNOWN and now < self.read_at + FORGOTTEN


def of_series(connection: Connection, series: Series, fresh_since: datetime | None = None) -> dict[str, list[Stretch]]:
    """What was asked of each source for `series`, oldest first; what was read since `fresh_since` counts as final."""
    rows = connection.execute(
        query.of_series, {"instrument": series.instrument.key, "timeframe": series.timeframe.code}
    )
    told: dict[str, list[Stretch]] = defaultdict(list)
    for source, start, end, state, read_at, reason, attempts in rows:
        stretch = Stretch(Span(start, end), State(state), read_at, reason, attempts)
        told[source].append(stretch.kept(fresh_since))
    return dict(told)


READ: Schema = {"instrument": pl.Int32(), "start": INSTANT, "end": INSTANT}
"""Stretches of series: starts are in them, ends are not."""


def read(connection: Connection, instruments: Iterable[int], timeframe: Timeframe) -> pl.DataFrame:
    """The spans of some series that any source was read for (`READ`), in no order; they may overlap."""
    parameters = {"instruments": list(instruments), "timeframe": timeframe.code}
    return pl.DataFrame(connection.execute(query.read, parameters).fetchall(), schema=READ, orient="row")


ABSENCES: Schema = {"first": INSTANT, "last": INSTANT, "reason": pl.String()}
"""Stretches of absent bars: their first and last slot, and why."""


def absences(connection: Connection, series: Series, span: Span) -> pl.DataFrame:
    """The stretches of a series in a span in which expected bars are absent by now (`ABSENCES`), oldest first."""
    told = {"instrument": series.instrument.number, "timeframe": series.timeframe.code}
    rows = connection.execute(query.absences, told | {"start": span.start, "end": span.end}).fetchall()
    return pl.DataFrame(rows, schema=ABSENCES, orient="row")


def strangers(connection: Connection, every: Sequence[Series]) -> dict[Series, str]:
    """Those of some series that no source knows, and why: one said so, in its words."""
    told = {
        "instruments": [series.instrument.key for series in every],
        "timeframes": [series.timeframe.code for series in every],
    }
    by_key = {(series.instrument.key, str(series.timeframe)): series for series in every}
    return {
        by_key[key, timeframe]: f"No source knows {by_key[key, timeframe].instrument}: {reason}; "
        f"asked again from {read_at + FORGOTTEN:%Y-%m-%d}, or with --refresh"
        for key, timeframe, read_at, reason in connection.execute(query.strangers, told)
    }


def record(connection: Connection, series: Series, source: int, stretch: Stretch, revisit: timedelta) -> None:
    """Lay `stretch` over what was known of its span; the rest of that stays as it was."""
    key = {"instrument": series.instrument.key, "timeframe": series.timeframe.code, "source": source}
    bounds = {"start": stretch.span.start, "end": stretch.span.end}
    around = [
        Stretch(Span(start, end), State(state), read_at, reason, attempts, fetch_id)
        for start, end, state, read_at, reason, attempts, fetch_id in connection.execute(query.take, key | bounds)
    ]
    laid = laid_over(around, stretch, revisit)
    connection.execute(
        query.lay,
        key
        | {
            "starts": [each.span.start for each in laid],
            "ends": [each.span.end for each in laid],
            "states": [each.state for each in laid],
            "read_ats": [each.read_at for each in laid],
            "reasons": [each.reason for each in laid],
            "attempts": [each.attempts for each in laid],
            "fetch_ids": [each.fetch_id for each in laid],
        },
    )


def laid_over(around: Iterable[Stretch], stretch: Stretch, revisit: timedelta) -> list[Stretch]:
    """`around` with `stretch` on top: overlapped parts give way, final neighbours of the same state become one.

    An answer like the one before (`empty`, `failed`, `refused`, `unknown`) counts as one more attempt.
    """
    around = list(around)
    earlier = [old.attempts for old in around if old.state == stretch.state and old.span.common(stretch.span)]
    if earlier and stretch.state not in (State.FETCHED, State.UNREACHABLE):
        stretch = replace(stretch, attempts=max(earlier) + 1)
    rest = [replace(old, span=part) for old in around for part in old.span.without([stretch.span]) if part]
    laid: list[Stretch] = []
    for each in sorted([*rest, stretch], key=lambda old: old.span):
        if laid and _one_with(laid[-1], each, revisit):
            laid[-1] = replace(
                each,
                span=Span(laid[-1].span.start, each.span.end),
                read_at=max(laid[-1].read_at, each.read_at),
            )
        else:
            laid.append(each)
    return laid


def _one_with(left: Stretch, right: Stretch, revisit: timedelta) -> bool:
    alike = (left.state, left.reason, left.attempts) == (right.state, right.reason, right.attempts)
    final = left.is_final(revisit) and right.is_final(revisit)
    return alike and final and left.span.end >= right.span.start
