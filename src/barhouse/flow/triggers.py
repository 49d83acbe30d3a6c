"""What somebody asks to be brought now, by symbols, classes and timeframes: the job that does it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime

from barhouse.errors import InvalidTimeframe, RequestError, UnknownRecord
from barhouse.flow import sessions
from barhouse.flow.jobs import Job, requested
from barhouse.flow.plan import Wanted
from barhouse.flow.track import earliest, named
from barhouse.model import AssetClass, Instrument, Series, Span, Timeframe, merged
from barhouse.store import coverage, instruments, jobs
from barhouse.store.jobs import Kind
from barhouse.store.postgres import Database

Since = dict[Series, datetime]
"""The tracked series, and from when on."""


def trigger(
    db: Database,
    symbol: str | None,
    symbols: Sequence[str],
    asset_class: AssetClass | None,
    timeframes: Sequence[str],
    now: datetime,
    *,
    by: str,
) -> Job:
    """The job that brings series up to date: those of the symbols named, else all that is active (of a class).

    A symbol that is not tracked is tracked first. Without `timeframes` a single `symbol` means its 1d, all else what
    is tracked. With `records`, the bars that were not read yet, and `seconds`, how long such took lately (None where
    nothing was ever brought). InvalidTimeframe and InvalidAssetClass (400), AmbiguousSymbol (409).
    """
    frames = _enriched(timeframes) or ([Timeframe.D1] if symbol and not symbols else [])
    texts = list(dict.fromkeys([*([symbol] if symbol else []), *symbols]))
    if texts:
        asked = _meant(db, texts, asset_class)
        since = _tracked(db, [each.number for each in asked if each.key is not None])
        series = _of(asked, frames, since)
        since = _with(db, series, since, now)
    else:
        since = _tracked(db)
        series = [each for each in since if asset_class in (None, each.instrument.asset_class)]
        series = [each for each in series if not frames or each.timeframe in frames]
    meant = set(series)
    wanted = [Wanted(each, Span(start, now)) for each, start in since.items() if each in meant and start < now]
    return _asked(db, Kind.ENRICHMENT, wanted, by=by)


def backfill(
    db: Database,
    symbols: Sequence[str],
    asset_class: AssetClass | None,
    timeframes: Sequence[str],
    bounds: tuple[datetime | None, datetime],
    *,
    refresh: bool,
    by: str,
) -> Job:
    """The job that brings the missing bars of a span, from as far back as usual where that end is left open.

    Conflict (409) where another span of a series is being brought.
    """
    start, end = bounds
    frames = Timeframe.several(timeframes)
    meant = _meant(db, list(dict.fromkeys(symbols)), asset_class)
    asked = [Series(instrument, frame) for instrument in meant for frame in frames]
    if start is not None and start >= end:
        raise RequestError("end: it is not after start")
    with db.transaction() as connection:
        series = [instruments.add_series(connection, each) for each in asked]
    wanted = [Wanted(each, Span(start or earliest(each.timeframe, end), end)) for each in series]
    return _asked(db, Kind.BACKFILL, wanted, by=by, refresh=refresh, exactly=True)


def _asked(
    db: Database, kind: Kind, wanted: Sequence[Wanted], *, by: str, refresh: bool = False, exactly: bool = False
) -> Job:
    if not wanted:
        raise UnknownRecord("Nothing of that is tracked; `barhouse track AAPL` starts it")
    records = _unread(db, wanted, refresh=refresh)
    with db.transaction() as connection:
        job = requested(connection, kind, wanted, by=by, refresh=refresh, exactly=exactly)
        pace = jobs.pace(connection)
    return job | {"records": records, "seconds": None if pace is None else round(pace * records, 1)}


def _enriched(names: Sequence[str]) -> list[Timeframe]:
    """The timeframes of these names, of those that are enriched on demand."""
    if Timeframe.M1 in names:
        raise InvalidTimeframe([Timeframe.M1.value])
    return Timeframe.several(names)


def _meant(db: Database, texts: Sequence[str], asset_class: AssetClass | None) -> list[Instrument]:
    """The instruments that are meant: most are tracked, and found at once."""
    with db.connection() as connection:
        found = instruments.among(connection, texts, asset_class)
    return [own[0] if len(own := found.get(text, [])) == 1 else named(db, text, asset_class) for text in texts]


def _tracked(db: Database, keys: Sequence[int] | None = None) -> Since:
    with db.connection() as connection:
        return {each.series: each.since for each in instruments.tracked(connection, keys)}


def _of(meant: Sequence[Instrument], timeframes: Sequence[Timeframe], since: Since) -> list[Series]:
    """The series of instruments in some timeframes, or in those that are tracked; in 1d where none is."""
    own: dict[Instrument, list[Timeframe]] = defaultdict(list)
    for series in since:
        own[series.instrument].append(series.timeframe)
    return [Series(each, frame) for each in meant for frame in timeframes or own.get(each) or [Timeframe.D1]]


def _with(db: Database, series: Sequence[Series], since: Since, now: datetime) -> Since:
    """What is tracked, with series that were not before and are from now on."""
    if not (new := [each for each in series if each not in since]):
        return since
    with db.transaction() as connection:
        starts = {each: earliest(each.timeframe, now) for each in new}
        return since | {instruments.track(connection, each, starts[each]): starts[each] for each in new}


def _unread(db: Database, wanted: Sequence[Wanted], *, refresh: bool) -> int:
    """Bars that ought to be in what is wanted and were not read yet; where nobody knows the calendar, none."""
    of_kind: dict[tuple[str, Timeframe], list[Wanted]] = defaultdict(list)
    for each in wanted:
        of_kind[each.series.instrument.exchange, each.series.timeframe].append(each)
    records, strange = 0, sessions.unknown(db, (exchange for exchange, _ in of_kind))
    for (exchange, timeframe), alike in of_kind.items():
        if exchange in strange:
            continue
        calendar = sessions.calendar(db, exchange)
        read = {} if refresh else _read(db, alike, timeframe)
        gaps = Counter(gap for each in alike for gap in each.span.without(read.get(each.series.instrument.number, ())))
        records += sum(count * calendar.expected(timeframe, gap).height for gap, count in gaps.items())
    return records


def _read(db: Database, alike: Sequence[Wanted], timeframe: Timeframe) -> dict[int, list[Span]]:
    with db.connection() as connection:
        rows = coverage.read(connection, [each.series.instrument.number for each in alike], timeframe)
    spans: dict[int, list[Span]] = defaultdict(list)
    for key, start, end in rows.iter_rows():
        spans[key].append(Span(start, end))
    return {key: merged(own) for key, own in spans.items()}
