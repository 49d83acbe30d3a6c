"""A backfill that is killed: what was acknowledged stays, the next run brings the rest, nothing is left behind."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from polars.testing import assert_frame_equal

from barhouse import features
from barhouse.api import vendor_side
from barhouse.api.sample import sample
from barhouse.config import Settings
from barhouse.flow import sessions
from barhouse.flow.warehouse import opened
from barhouse.model import AssetClass, Span, Timeframe, merged
from barhouse.store import actions
from barhouse.store.postgres import Database
from tests.answers import real
from tests.backfiller import YEARS
from tests.integration.embedded_servers import REPOSITORY, copy, gone, server_pid, soon

FIELDS = ("time", "open", "high", "low", "close", "volume")
SYMBOLS = [instrument.symbol for instrument in sample().instruments()]
LONGEST = 1.5
"""Seconds after its begin until a run is killed at the latest; a whole one takes longer."""


@pytest.fixture(scope="module")
def vendors() -> Iterator[str]:
    with vendor_side.served(vendor_side.create(sample())) as url:
        yield url


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated warehouse without bars, at rest, to be copied."""
    data_dir = tmp_path_factory.mktemp("made") / "data"
    with warehouse(data_dir) as db:
        sessions.calendar(db, "XNYS")
    return data_dir


@pytest.fixture
def data_dir(made: Path, tmp_path: Path) -> Iterator[Path]:
    """A warehouse of the test's own; no server may be left on it."""
    folder = copy(made, tmp_path / "data")
    yield folder
    assert soon(lambda: gone(folder))


class Run:
    """A backfill in a process of its own, and what it acknowledged, by symbol."""

    def __init__(self, nursery: subprocess.Popen[str], data_dir: Path, vendors: str) -> None:
        assert nursery.stdin
        self.acknowledged = Counter[str]()
        self.last = ""
        self._nursery = nursery
        nursery.stdin.write(f"{data_dir} {vendors} {' '.join(SYMBOLS)}\n")
        nursery.stdin.flush()
        self.pid = int(self.hears("pid")[1])

    def hears(self, wanted: str) -> list[str]:
        """What it says when it says `wanted`; what it kept until then counts."""
        assert self._nursery.stdout
        for line in self._nursery.stdout:
            words = line.split()
            if words[0] == "kept":
                self.acknowledged[words[1]] += int(words[2])
            if words[0] == wanted:
                return words
            self.last = line.strip()
        pytest.fail(f"It never said {wanted!r}; its last words: {self.last}")

    def killed(self, signalled: int) -> None:
        """End a process as the out-of-memory killer would, and see this run end."""
        os.kill(signalled, signal.SIGKILL)
        self.hears("ended")


@pytest.fixture(scope="module")
def nursery() -> Iterator[subprocess.Popen[str]]:
    """Where runs are born."""
    command = [sys.executable, "-m", "tests.backfiller"]
    with subprocess.Popen(command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        assert process.stdin
        process.stdin.close()


@pytest.mark.parametrize("seed", [1, 2])
def test_a_backfill_killed_again_and_again_comes_to_the_same_end(
    nursery: subprocess.Popen[str], data_dir: Path, vendors: str, seed: int
) -> None:
    moments = random.Random(seed)
    acknowledged = Counter[str]()

    for _ in range(3):
        run = Run(nursery, data_dir, vendors)
        run.hears("begun")
        time.sleep(moments.uniform(0, LONGEST))
        run.killed(run.pid)
        acknowledged += run.acknowledged
    last = Run(nursery, data_dir, vendors)
    last.hears("ended")

    assert last.last == "done"
    with warehouse(data_dir) as db:
        assert_nothing_acknowledged_is_lost(db, acknowledged + last.acknowledged)
        assert_all_is_as_the_vendor_has_it(db)
        assert_counts_add_up(db)
        assert_coverage_is_whole(db)
        assert_features_are_those_of_one_go(db)


def test_a_killed_server_ends_the_backfill_and_the_next_one_goes_on(
    nursery: subprocess.Popen[str], data_dir: Path, vendors: str
) -> None:
    with vendor_side.running(faults="latency seconds=0.3") as slow:
        run = Run(nursery, data_dir, slow)
        run.hears("kept")
        run.killed(server_pid(data_dir))
    again = Run(nursery, data_dir, vendors)
    again.hears("ended")

    # The embedded server is started again within a second: who asks only then goes on as if nothing had been
    assert run.last == "done" or run.last.startswith("failed PostgreSQL "), run.last
    assert again.last == "done"
    with warehouse(data_dir) as db:
        assert_nothing_acknowledged_is_lost(db, run.acknowledged + again.acknowledged)
        assert_all_is_as_the_vendor_has_it(db)
        assert_counts_add_up(db)
        assert_coverage_is_whole(db)


def warehouse(data_dir: Path) -> AbstractContextManager[Database]:
    return opened(Settings.model_validate({"data_dir": data_dir, "database_url": None}))


def assert_nothing_acknowledged_is_lost(db: Database, acknowledged: Counter[str]) -> None:
    counts = asked(db, "SELECT i.symbol, count(*) FROM bar JOIN instrument i ON i.id = bar.instrument GROUP BY 1")
    stored = Counter(dict(counts))
    assert not acknowledged - stored, "a bar that was acknowledged is not there, or one was acknowledged twice"


def assert_all_is_as_the_vendor_has_it(db: Database) -> None:
    for symbol in SYMBOLS:
        stored = asked(
            db,
            "SELECT time, open, high, low, close, volume FROM bar JOIN instrument i ON i.id = instrument "
            f"WHERE symbol = '{symbol}' ORDER BY time",
        )
        assert stored == real(symbol).select(FIELDS).rows(), symbol
    assert asked(db, "SELECT count(*) FROM data_corrections") == [(0,)]
    assert asked(db, "SELECT count(*) FROM quarantine") == [(0,)]


def assert_counts_add_up(db: Database) -> None:
    """The log says of each fetch what is there of it, and each series says what it holds."""
    assert not asked(
        db,
        "SELECT fetch_id, bars, records_inserted "
        "FROM (SELECT fetch_id, count(*) AS bars FROM bar GROUP BY 1) AS bar "
        "FULL JOIN enrichment_fetch_log ON id = fetch_id "
        "WHERE coalesce(bars, 0) IS DISTINCT FROM records_inserted",
    )
    assert not asked(
        db,
        "SELECT * FROM series CROSS JOIN LATERAL ("
        "SELECT count(*) AS held, min(time) AS first, max(time) AS last FROM bar "
        "WHERE bar.instrument = series.instrument) AS bar "
        "WHERE (bars, first_bar, last_bar) IS DISTINCT FROM (held, first, last)",
    )
    assert asked(
        db,
        "SELECT count(*) FROM bar WHERE NOT EXISTS (SELECT FROM bar_feature f WHERE f.time = bar.time AND "
        "f.instrument = bar.instrument)",
    ) == [(0,)]


def assert_coverage_is_whole(db: Database) -> None:
    """Every year was read once, and no stretch lies over another one of its source."""
    for symbol in SYMBOLS:
        stretches = asked(
            db,
            "SELECT span_start, span_end, state FROM coverage JOIN instrument i ON i.id = instrument "
            f"JOIN source ON code = source WHERE symbol = '{symbol}' AND source.name = 'polygon' ORDER BY 1",
        )
        assert all(before[1] <= after[0] for before, after in pairwise(stretches)), symbol
        spans = merged(Span(start, end) for start, end, state in stretches if state in ("fetched", "empty"))
        assert spans == [Span(YEARS[0].start, YEARS[-1].end)], symbol


def assert_features_are_those_of_one_go(db: Database) -> None:
    names = ", ".join(features.registry)
    stored = db.frame(f"SELECT instrument, time, {names} FROM bar_feature ORDER BY 1, 2".encode())
    bars = db.frame(b"SELECT * FROM bar ORDER BY instrument, time")
    with db.connection() as connection:
        splits = actions.splits(connection, bars["instrument"].unique())
    whole = features.compute(
        bars,
        asset_class=AssetClass.STOCK,
        timeframe=Timeframe.D1,
        calendar=sessions.calendar(db, "XNYS"),
        splits=splits,
    )
    assert splits.height == 3
    assert_frame_equal(stored, whole.select(stored.columns), rel_tol=1e-12, abs_tol=0)


def asked(db: Database, question: str) -> list[tuple[Any, ...]]:
    with db.connection() as connection:
        return connection.execute(question.encode()).fetchall()
