"""Whatever sources answer, in whatever order: what is stored is what a few plain rules say."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from barhouse import features
from barhouse.calendar import Calendar
from barhouse.flow import sessions
from barhouse.flow.batch import Batch
from barhouse.flow.ingest import keep
from barhouse.model import ACTIONS, AssetClass, Series, Span, Timeframe
from barhouse.store import actions
from barhouse.store.fetches import Fetch
from barhouse.store.postgres import Database
from tests.answers import answer, kept, real

FIELDS = ("open", "high", "low", "close", "volume", "vwap")
PRICES = frozenset({"open", "high", "low", "close", "vwap"})
MAY_RESTATE = {"polygon": {"polygon", "yahoo"}, "yahoo": {"yahoo"}, "file": {"file"}}
DAYS = 140
LATER = datetime(2026, 11, 1, tzinfo=UTC)
OTHER_TOOL = "lean"

Values = dict[str, float | None]
Row = tuple[datetime, Values]

BASE: list[Row] = [
    (row["time"], {**{name: row[name] for name in FIELDS[:5]}, "high": row["high"] * 1.01, "low": row["low"] * 0.99})
    for row in real("AAPL")[:DAYS].rows(named=True)
]


def told(at: int, how: str) -> Row:
    """A row of an answer: the real bar of that day, or a version of it."""
    time, bar = BASE[at]
    bar = {**bar, "vwap": None}
    close, high, low, volume = (bar[name] or 0.0 for name in ("close", "high", "low", "volume"))
    match how:
        case "restated":
            bar |= {"close": high, "volume": volume + 100}
        case "again":
            bar |= {"close": low}
        case "written differently":
            bar |= {"close": close * (1 + 1e-9)}
        case "with vwap":
            bar |= {"vwap": (high + low) / 2}
        case "upside down":
            bar |= {"high": low / 2}
        case "half":
            bar |= {"close": None}
        case "on a day off":
            time -= timedelta(days=time.isoweekday() % 7 or 7)
    return time, bar


SOUND = ("plain", "restated", "again", "written differently", "with vwap")
BAD = ("upside down", "half", "on a day off")


@dataclass(frozen=True)
class Answer:
    """What a source answers at some moment: days from `first` on, some of them told otherwise or twice."""

    source: str
    first: int
    days: int
    otherwise: dict[int, str]
    beside: list[tuple[int, str]]
    shuffled: int | None
    asked: int
    split: int | None

    @property
    def rows(self) -> list[Row]:
        """Its rows in their order."""
        days = range(self.first, min(self.first + self.days, DAYS))
        rows = [told(day, self.otherwise.get(day - self.first, "plain")) for day in days]
        rows += [told(min(self.first + at, DAYS - 1), how) for at, how in self.beside]
        if self.shuffled is not None:
            random.Random(self.shuffled).shuffle(rows)
        return rows


@dataclass(frozen=True)
class Foreign:
    """A bar that another tool writes through the view, in its slot or beside it."""

    at: int
    off_slot: bool
    source: str | None
    broken: bool


answers = st.builds(
    Answer,
    source=st.sampled_from(sorted(MAY_RESTATE)),
    first=st.integers(0, DAYS - 1),
    days=st.integers(1, DAYS),
    otherwise=st.dictionaries(st.integers(0, 30), st.sampled_from(SOUND + BAD), max_size=6),
    beside=st.lists(st.tuples(st.integers(0, 30), st.sampled_from(SOUND + BAD)), max_size=4),
    shuffled=st.none() | st.integers(0, 9),
    asked=st.integers(0, DAYS),
    split=st.none() | st.integers(0, DAYS - 1),
)
foreigns = st.builds(
    Foreign,
    at=st.integers(0, DAYS - 1),
    off_slot=st.booleans(),
    source=st.sampled_from([None, OTHER_TOOL, "yahoo"]),
    broken=st.booleans(),
)


@dataclass
class Stored:
    """A bar as the rules have it."""

    values: Values
    source: str | None
    forming: bool
    fetch: int | None
    settled_as: Values = field(default_factory=dict)


@dataclass
class Model:
    """The rules of CONTRACT 5 and 8 in plain Python."""

    closes: dict[datetime, datetime]
    bars: dict[datetime, Stored] = field(default_factory=dict)

    def take(self, of: Answer, now: datetime, fetch: int) -> tuple[int, int, int, int]:
        """Take an answer in: how many are inserted, updated, unchanged, quarantined."""
        once = {(time, *bar.items()): (time, bar) for time, bar in reversed(of.rows)}
        rows = list(reversed(once.values()))
        sound = {time: bar for time, bar in rows if self._is_sound(time, bar)}
        done = [self._keep(time, bar, of.source, now, fetch) for time, bar in sound.items()]
        return done.count("inserted"), done.count("updated"), done.count("unchanged"), len(rows) - len(sound)

    def _is_sound(self, time: datetime, bar: Values) -> bool:
        five = [bar[name] for name in FIELDS[:5]]
        if time not in self.closes or None in five:
            return False
        opens, high, low, close, _ = (each or 0.0 for each in five)
        return high >= max(opens, close, low) and low <= min(opens, close)

    def _keep(self, time: datetime, bar: Values, source: str, now: datetime, fetch: int) -> str:
        forming = self.closes[time] + timedelta(minutes=15) > now
        if time not in self.bars:
            self.bars[time] = Stored(bar, source, forming, fetch, bar)
            return "inserted"
        old = self.bars[time]
        may = old.forming or (not forming and old.source in MAY_RESTATE[source])
        differing = {name for name in FIELDS if differs(name, old.values[name], bar[name])}
        if not may or not (differing or (old.forming and not forming)):
            return "unchanged"
        if old.forming:
            values = {name: old.values[name] if bar[name] is None else bar[name] for name in FIELDS}
            self.bars[time] = Stored(values, source, forming, fetch, values)
        else:
            values = {name: bar[name] if name in differing else old.values[name] for name in FIELDS}
            self.bars[time] = Stored(values, source, forming, old.fetch, old.settled_as)
        return "updated"


def differs(name: str, old: float | None, new: float | None) -> bool:
    if new is None or old is None:
        return new is not None
    return abs(new - old) >= 1e-6 * abs(old) if name in PRICES and new != old else new != old


numbers = count()


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(story=st.lists(answers | foreigns, min_size=1, max_size=5))
def test_whatever_is_answered_the_stored_series_is_what_the_rules_say(
    db: Database, story: list[Answer | Foreign]
) -> None:
    series = kept(db, f"S{next(numbers)}")
    calendar = sessions.calendar(db, "XNYS")
    model = Model(closes_of(calendar))

    for event in story:
        if isinstance(event, Foreign):
            write_through_the_view(db, series, event, model)
            continue
        now = BASE[event.asked][0] + timedelta(hours=19) if event.asked < DAYS else LATER
        fetch = keep_one(db, series, event, calendar, now)
        expected = model.take(event, now, fetch.id)
        assert (fetch.inserted, fetch.updated, fetch.unchanged, fetch.quarantined) == expected
        assert fetch.fetched == len(event.rows)

    assert stored(db, series) == {
        time: ([bar.values[name] for name in FIELDS], bar.source, bar.forming, bar.fetch)
        for time, bar in model.bars.items()
    }
    assert undone(db, series) == {time: bar.settled_as for time, bar in model.bars.items() if not bar.forming}
    assert_the_series_knows_what_it_holds(db, series)
    if not any(isinstance(event, Foreign) for event in story):
        assert_features_are_those_of_one_go(db, series, calendar)


def closes_of(calendar: Calendar) -> dict[datetime, datetime]:
    span = Span(BASE[0][0] - timedelta(days=9), BASE[-1][0] + timedelta(days=1))
    return dict(calendar.expected(Timeframe.D1, span).select("time", "closes").iter_rows())


def keep_one(db: Database, series: Series, event: Answer, calendar: Calendar, now: datetime) -> Fetch:
    rows = pl.DataFrame([{"time": time, **bar} for time, bar in event.rows], infer_schema_length=None)
    split = None
    if event.split is not None:
        what = [("split", BASE[event.split][0].date(), 2.0, None, None)]
        split = pl.DataFrame(what, schema=ACTIONS, orient="row")
    came = answer(series, rows.with_columns(pl.col("time").cast(pl.Datetime("us", "UTC"))), source=event.source)
    [fetch] = keep(db, Batch([came if split is None else with_actions(came, split)], calendar), now)
    return fetch


def with_actions(came: Any, split: pl.DataFrame) -> Any:
    return type(came)(came.series, came.source, came.span, came.bars, came.raw, actions=split)


def write_through_the_view(db: Database, series: Series, event: Foreign, model: Model) -> None:
    time, bar = told(event.at, "plain")
    time += timedelta(hours=5 if event.off_slot else 0)
    values = {**bar, "close": None, "high": math.inf} if event.broken else bar
    if time in model.bars:
        return
    with db.transaction() as connection:
        row = connection.execute(
            "INSERT INTO market_data (symbol, asset_class, timeframe, time, open, high, low, close, volume, source) "
            "VALUES (%s, 'stock', '1d', %s, %s, %s, %s, %s, %s, %s) RETURNING fetch_id",
            [series.instrument.symbol, time, *(values[name] for name in FIELDS[:5]), event.source],
        ).fetchone()
    assert row is not None
    assert row[0] is not None
    model.bars[time] = Stored(values, event.source, False, row[0], values)


def stored(db: Database, series: Series) -> dict[datetime, Any]:
    return {
        time: (values, source, forming, fetch)
        for time, *values, source, forming, fetch in asked(
            db,
            f"SELECT time, {', '.join(FIELDS)}, s.name, forming, fetch_id FROM bar "
            "LEFT JOIN source s ON s.code = source WHERE instrument = %s",
            series,
        )
    }


def undone(db: Database, series: Series) -> dict[datetime, Values]:
    """The settled bars with all corrections taken back, the last one first."""
    names = (*FIELDS, "source")
    rows = asked(db, f"SELECT time, {', '.join(names)} FROM bar WHERE instrument = %s AND NOT forming", series)
    bars: dict[datetime, Values] = {time: dict(zip(names, values, strict=True)) for time, *values in rows}
    corrections = asked(
        db,
        'SELECT "timestamp", field_corrected, old_value, new_value FROM data_corrections WHERE instrument = %s '
        "ORDER BY correction_timestamp DESC, id DESC",
        series,
    )
    for time, name, old, new in corrections:
        assert bars[time][name] == new
        bars[time][name] = old
    return {time: {name: bar[name] for name in FIELDS} for time, bar in bars.items()}


def assert_the_series_knows_what_it_holds(db: Database, series: Series) -> None:
    [held] = asked(db, "SELECT bars, first_bar, last_bar FROM series WHERE instrument = %s", series)
    [there] = asked(db, "SELECT count(*), min(time), max(time) FROM bar WHERE instrument = %s", series)
    assert held == there


def assert_features_are_those_of_one_go(db: Database, series: Series, calendar: Calendar) -> None:
    of_it = f"WHERE instrument = {series.instrument.number}"
    bars = db.frame(f"SELECT * FROM bar {of_it} AND NOT forming ORDER BY time".encode())
    names = ", ".join(features.registry)
    computed = db.frame(f"SELECT instrument, time, {names} FROM bar_feature {of_it} ORDER BY time".encode())
    with db.connection() as connection:
        splits = actions.splits(connection, [series.instrument.number])
    kind = {"asset_class": AssetClass.STOCK, "timeframe": Timeframe.D1}
    whole = features.compute(bars, **kind, calendar=calendar, splits=splits)  # type: ignore[arg-type]
    assert_frame_equal(computed, whole.select(computed.columns), rel_tol=1e-12, abs_tol=1e-15)


def asked(db: Database, question: str, series: Series) -> list[tuple[Any, ...]]:
    with db.connection() as connection:
        return connection.execute(question.encode(), [series.instrument.number]).fetchall()
