"""`as_of`: whatever was read once can be read again, whatever was done to the bars since."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from barhouse.config import Settings
from barhouse.errors import Conflict, InvalidParameter
from barhouse.flow import sessions
from barhouse.flow.batch import Batch
from barhouse.flow.cleanup import cleanup_duplicate_records, undo_cleanup
from barhouse.flow.correct import correct
from barhouse.flow.enrich import Kind
from barhouse.flow.ingest import keep
from barhouse.flow.quarantine import release
from barhouse.flow.retention import prune
from barhouse.flow.rewrite import PLACED, rewrite
from barhouse.model import INSTANT, Series, Span
from barhouse.store import history, reading
from barhouse.store.postgres import Database
from barhouse.store.reading import Selection
from tests.answers import answer, kept, real
from tests.servers import Server

DAYS = 6
REAL = real("AAPL")[:DAYS]
KNOWN = ["time", "open", "high", "low", "close", "volume", "source"]
FIELDS = ["open", "high", "low", "close", "volume"]
CLOSE_OF_THE_LAST = datetime(2000, 3, 8, 21, tzinfo=UTC)
"""When the sixth session ended in New York."""


def test_the_last_day_of_these_tests_is_the_one_that_they_mean() -> None:
    assert REAL["time"][-1].date() == CLOSE_OF_THE_LAST.date()


def told(days: list[int], factor: float) -> pl.DataFrame:
    """Real bars, all their prices and volumes times a factor: whole bars remain bars."""
    return REAL[sorted(days)].with_columns(pl.col(FIELDS) * factor)


@dataclass
class Desk:
    """A series, and what somebody who read it now and then saw."""

    db: Database
    series: Series
    seen: list[tuple[datetime, pl.DataFrame]] = field(default_factory=list)
    removed: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=PLACED))

    def keep(self, source: str, days: list[int], factor: float) -> None:
        """A source answers; the last day may be forming still."""
        rows = told(days, factor)
        span = Span(REAL["time"][0], REAL["time"][-1] + timedelta(days=1))
        keep(self.db, Batch([answer(self.series, rows, source=source, span=span)], self.calendar))

    def keep_at_noon(self, factor: float) -> None:
        """A source answers with the last bar while that is still forming."""
        batch = Batch([answer(self.series, told([DAYS - 1], factor))], self.calendar)
        keep(self.db, batch, CLOSE_OF_THE_LAST - timedelta(hours=4))

    def write(self, day: int, hours: int, source: str | None) -> None:
        """Another tool writes a bar, maybe off its slot, naming a fetch that never was."""
        time = REAL["time"][day] + timedelta(hours=hours)
        with self.db.connection() as connection:
            connection.execute(
                """
                INSERT INTO market_data (symbol, timeframe, time, open, high, low, close, volume, source, fetch_id)
                SELECT %s, '1d', %s, 1, 2, 'NaN', 1, NULL, %s, 1
                WHERE NOT EXISTS (SELECT FROM market_data WHERE symbol = %s AND time = %s)
                """,
                [self.symbol, time, source, self.symbol, time],
            )

    def keep_broken(self, day: int) -> None:
        """A source answers with a row that is no bar."""
        rows = told([day], 1.0).with_columns(high=pl.col("low") / 2)
        keep(self.db, Batch([answer(self.series, rows)], self.calendar))

    def correct(self, which: int, values: dict[str, float]) -> None:
        """Somebody corrects a bar, if that leaves one."""
        times = self._stored()["time"].to_list()
        for time in times[which : which + 1]:
            with suppress(InvalidParameter):
                correct(self.db, self.symbol, time, values, reason="a test", author="Ada")

    def clean(self) -> None:
        """Duplicates are cleaned up."""
        cleanup_duplicate_records(self.db, self.symbol)

    def undo(self) -> None:
        """The latest cleanup is undone, if it still can be."""
        for (number,) in self._asked("SELECT id FROM duplicate_records_log WHERE symbol = %s ORDER BY 1 DESC LIMIT 1"):
            with suppress(Conflict):
                undo_cleanup(self.db, number)

    def release(self) -> None:
        """What is in quarantine is made bars, as far as it can be."""
        query = "SELECT q.id FROM quarantine q JOIN instrument i ON i.id = q.instrument WHERE i.symbol = %s"
        for (number,) in self._asked(query):
            with suppress(InvalidParameter, Conflict):
                release(self.db, [number], reason="a test", author="Ada", replace=True)

    def take_out(self, count: int) -> None:
        """Some bars leave, whole."""
        stored = self._stored().head(count)
        self._rewrite(gone=stored.select("instrument", "time"))
        self.removed = stored

    def put_back(self) -> None:
        """The bars that left last come back, over whatever came into their slots since."""
        self._rewrite(placed=self.removed)

    def move(self) -> None:
        """The newest bar takes the place of the oldest, as the survivor of a cleanup takes its slot."""
        stored = self._stored()
        if stored.height > 1:
            survivor = stored.tail(1).with_columns(time=stored["time"][0])
            self._rewrite(gone=stored.tail(1).select("instrument", "time"), placed=survivor)

    def prune(self) -> None:
        """Every log is old enough to go."""
        prune(self.db, Settings(), datetime.now(UTC) + timedelta(days=1000))

    def look(self) -> None:
        """Somebody reads all there is, and notes when."""
        found = reading.bars(self.db, self.selection)
        with self.db.connection() as connection:
            [(now,)] = connection.execute("SELECT clock_timestamp()").fetchall()
        self.seen.append((now, found))

    @property
    def symbol(self) -> str:
        return self.series.instrument.symbol

    @property
    def selection(self) -> Selection:
        return Selection(self.series, extended=True)

    @property
    def calendar(self) -> Any:
        return sessions.calendar(self.db, "XNYS")

    def _asked(self, statement: str) -> list[tuple[Any, ...]]:
        with self.db.connection() as connection:
            return connection.execute(statement.encode(), [self.symbol]).fetchall()

    def _stored(self) -> pl.DataFrame:
        found = self.db.frame(b"SELECT * FROM bar WHERE instrument = $1 ORDER BY time", [self.series.instrument.number])
        return found.select(pl.col(name).cast(kind) for name, kind in PLACED.items())

    def _rewrite(self, gone: pl.DataFrame | None = None, placed: pl.DataFrame | None = None) -> None:
        none = pl.DataFrame(schema=PLACED)
        kind = Kind(self.series.instrument.asset_class, self.series.timeframe, self.calendar)
        gone, placed = none if gone is None else gone, none if placed is None else placed
        with self.db.transaction() as connection:
            rewrite(self.db, connection, kind, gone=gone.select("instrument", "time"), placed=placed, cause="a test")


DAY = st.integers(0, DAYS - 1)
FACTOR = st.sampled_from([1.0, 1.01, 2.0])
EVENT: st.SearchStrategy[Callable[[Desk], None]] = st.one_of(
    st.builds(
        lambda *told: lambda desk: desk.keep(*told),
        st.sampled_from(["yahoo", "polygon"]),
        st.lists(DAY, min_size=1, unique=True),
        FACTOR,
    ),
    st.builds(lambda factor: lambda desk: desk.keep_at_noon(factor), FACTOR),
    st.builds(
        lambda *told: lambda desk: desk.write(*told),
        DAY,
        st.sampled_from([0, 5]),
        st.sampled_from([None, "polygon", "a tool"]),
    ),
    st.builds(lambda day: lambda desk: desk.keep_broken(day), DAY),
    st.builds(
        lambda *told: lambda desk: desk.correct(*told),
        DAY,
        st.dictionaries(st.sampled_from(FIELDS), st.sampled_from([1.0, 100.0, 130.0]), min_size=1),
    ),
    st.just(Desk.clean),
    st.just(Desk.undo),
    st.just(Desk.release),
    st.builds(lambda count: lambda desk: desk.take_out(count), st.integers(1, 3)),
    st.just(Desk.put_back),
    st.just(Desk.move),
    st.just(Desk.prune),
)


@pytest.fixture(scope="module")
def desks(server: Server) -> Iterator[Callable[[], Desk]]:
    """Desks on one database, each with a series of its own."""
    with server.database() as url, Database(url) as db:
        count = iter(range(10_000))
        yield lambda: Desk(db, kept(db, f"S{next(count)}"))


ANOTHER_LIFE: list[Callable[[Desk], None]] = [
    lambda desk: desk.keep("polygon", [0, 1], 1.0),
    lambda desk: desk.take_out(1),
    lambda desk: desk.keep("polygon", [0, 1], 1.01),
    lambda desk: desk.keep("polygon", [0, 1], 2.0),
    Desk.put_back,
]
"""A bar leaves, another comes into its slot and is restated, and the first one comes back."""


DOUBLED: list[Callable[[Desk], None]] = [
    lambda desk: desk.keep("yahoo", [0, 1, 2], 1.0),
    lambda desk: desk.write(0, 5, None),
    lambda desk: desk.correct(2, {"volume": 1.0}),
    Desk.clean,
    lambda desk: desk.keep_broken(4),
    Desk.release,
    lambda desk: desk.keep("polygon", [0, 1, 2], 2.0),
    Desk.undo,
]
"""Each kind of event once."""


@example(events=ANOTHER_LIFE)
@example(events=DOUBLED)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=st.lists(EVENT, min_size=2, max_size=10))
def test_any_past_instant_shows_what_a_read_at_that_instant_showed(
    desks: Callable[[], Desk], events: list[Callable[[Desk], None]]
) -> None:
    desk = desks()

    desk.look()
    for event in events:
        event(desk)
        desk.look()
    desk.prune()

    for instant, then in desk.seen:
        again = history.bars(desk.db, replace(desk.selection, as_of=instant))
        assert_frame_equal(again.select(KNOWN), then.select(KNOWN))


@pytest.mark.every_server
def test_whoever_reads_between_two_writers_can_read_again_what_was_there(desks: Callable[[], Desk]) -> None:
    desk, seen = desks(), {}
    desk.keep("yahoo", list(range(DAYS)), 1.0)

    def restate() -> None:
        for turn in range(12):
            desk.keep("polygon", [turn % DAYS, (turn + 1) % DAYS], 1.0 + turn / 100)

    def rewrite() -> None:
        for turn in range(6):
            desk.write(turn % DAYS, 5, "a tool")
            desk.take_out(2)
            desk.put_back()

    with ThreadPoolExecutor(2) as others:
        writers = [others.submit(restate), others.submit(rewrite)]
        while not all(writer.done() for writer in writers):
            revised, found = snapshot(desk)
            seen[revised] = found
        for writer in writers:
            writer.result()

    assert len(seen) > 3
    for revised, found in seen.items():
        again = history.bars(desk.db, replace(desk.selection, as_of=revised))
        assert_frame_equal(again.select(*SEEN), found)


SEEN = {"time": INSTANT, "close": pl.Float64(), "volume": pl.Float64()}


def snapshot(desk: Desk) -> tuple[datetime, pl.DataFrame]:
    """The instant of the newest revision, and all bars, at one moment."""
    key = [desk.series.instrument.number]
    with desk.db.connection() as connection:
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        [(revised,)] = connection.execute("SELECT revised_at FROM series WHERE instrument = %s", key).fetchall()
        rows = connection.execute(
            "SELECT time, close, volume FROM bar WHERE instrument = %s AND NOT forming ORDER BY time", key
        ).fetchall()
        connection.execute("COMMIT")
    return revised, pl.DataFrame(rows, schema=SEEN, orient="row")
