"""Whether all that the warehouse needs is in order; each finding knows its mend.

A doctor changes nothing: no data directory is made, no migration applied, and a vendor is asked once.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from pathlib import Path

import anyio
import httpx
import psycopg
from psycopg.conninfo import conninfo_to_dict

from barhouse.calendar import Calendar
from barhouse.config import Settings, file
from barhouse.config.loading import doubts
from barhouse.errors import BarhouseError, RequestRefused, SourceError, Unauthorized, UnknownAtSource
from barhouse.flow.warehouse import COLUMNS
from barhouse.model import AssetClass, Instrument, Series, Span, Timeframe
from barhouse.resilience.retry import Retry
from barhouse.sources import configured
from barhouse.sources.base import Source
from barhouse.store import migrate, server
from barhouse.store.embedded import serving
from barhouse.store.watchdog import cluster_of

OLDEST_PYTHON = (3, 11)
SCARCE, FULL = 2 << 30, 200 << 20
"""Free bytes below which a disk is to be watched, and below which nothing more should be written."""

PATIENCE = 10.0
"""Seconds that a vendor has for its answer."""

UNREACHED = "look at the network and its proxy settings; where another source has the bars, that one is asked"

SKEW, LOST = timedelta(seconds=5), timedelta(minutes=1)
"""How far two clocks may be apart, and from when on bars are taken for settled that are not."""


class State(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, what was seen, and what to do about it."""

    what: str
    state: State
    seen: str
    mend: str = ""


def examine(settings: Settings, now: datetime) -> Iterator[Finding]:
    """One finding after the other, as soon as it is known."""
    yield python(sys.version_info[:3])
    yield from told(file.place(), doubts())
    embedded = settings.database_url is None
    if embedded:
        yield data_dir(settings.data_dir)
        yield disk(settings.data_dir)
    if embedded and not cluster_of(settings.data_dir).exists():
        yield Finding("database", State.OK, "none yet; the first command that needs it makes it")
    else:
        yield from database(settings)
    yield from vendors(settings, now)


def python(found: tuple[int, ...]) -> Finding:
    """Whether this Python is new enough."""
    version = ".".join(map(str, found))
    if found >= OLDEST_PYTHON:
        return Finding("Python", State.OK, version)
    return Finding("Python", State.FAIL, version, "install Python 3.11 or newer")


def told(path: Path | None, doubtful: Sequence[str]) -> Iterator[Finding]:
    """Where the settings come from, and what of that is hardly meant so."""
    where = "flags, the environment and defaults" if path is None else f"flags, the environment, {path} and defaults"
    yield Finding("settings", State.OK, f"from {where}; barhouse config show tells which")
    for doubt in doubtful:
        yield Finding("settings", State.WARN, doubt, "see docs/configuration.md")


def data_dir(path: Path) -> Finding:
    """Whether the embedded PostgreSQL may keep its files there."""
    there = _nearest(path)
    if not there.is_dir():
        return Finding("data directory", State.FAIL, f"{there} is a file", "set BARHOUSE_DATA_DIR to a folder")
    if not os.access(there, os.W_OK | os.X_OK):
        mend = f"chown -R {os.geteuid()} {there}, or set BARHOUSE_DATA_DIR to a folder of yours"
        return Finding("data directory", State.FAIL, f"{there} may not be written to", mend)
    return Finding("data directory", State.OK, str(path))


def disk(path: Path) -> Finding:
    """Whether there is room for more bars."""
    free = shutil.disk_usage(_nearest(path)).free
    seen = f"{free / 1e9:,.1f} GB free"
    if free < FULL:
        return Finding("disk", State.FAIL, seen, "free some space, or set BARHOUSE_DATA_DIR to another disk")
    if free < SCARCE:
        return Finding("disk", State.WARN, seen, "a million bars with features take about 400 MB")
    return Finding("disk", State.OK, seen)


def _nearest(path: Path) -> Path:
    """`path`, or the nearest folder above it that is there."""
    path = path.expanduser().absolute()
    return next((each for each in (path, *path.parents) if each.exists()), path)


def database(settings: Settings) -> Iterator[Finding]:
    """Whether PostgreSQL answers, is new enough, has the schema, and goes by the same clock."""
    given = settings.database_url.get_secret_value() if settings.database_url else None
    try:
        with serving(given, settings.data_dir) as url, psycopg.connect(url, connect_timeout=5) as connection:
            state = server.state(connection)
            where = spoken(url) if given else "embedded"
            yield version(state, where)
            yield schema(migrate.pending(connection, COLUMNS))
            if given:
                yield clock("database", state.clock, datetime.now(UTC))
    except BarhouseError as error:
        yield Finding("database", State.FAIL, str(error))
    except psycopg.ProgrammingError:
        mend = "postgresql://user:password@host/name; without it the embedded one runs"
        yield Finding("database", State.FAIL, "DATABASE_URL is no PostgreSQL URL", mend)
    except psycopg.Error as error:
        seen = f"{spoken(given or '')}: {str(error).strip().splitlines()[0]}"
        yield Finding("database", State.FAIL, seen, "start it, or mend DATABASE_URL; without it the embedded one runs")


def spoken(url: str) -> str:
    """A database as one may name it aloud: without the password."""
    parts = conninfo_to_dict(url)
    return f"{parts.get('user', '')}@{parts.get('host', 'local')}/{parts.get('dbname', '')}"


def version(state: server.Server, where: str) -> Finding:
    """Whether this PostgreSQL is new enough."""
    seen = f"PostgreSQL {state.version}, {where}, {state.bytes / 1e6:,.0f} MB"
    if state.number >= migrate.OLDEST * 10_000:
        return Finding("database", State.OK, seen)
    return Finding("database", State.FAIL, seen, f"Barhouse needs PostgreSQL {migrate.OLDEST} or newer")


def schema(pending: list[str]) -> Finding:
    """Whether the schema is that of this version."""
    if not pending:
        return Finding("migrations", State.OK, "all applied")
    mend = "python scripts/run_migrations.py, or any command that opens the warehouse"
    return Finding("migrations", State.WARN, f"{len(pending)} to apply, from {pending[0]} on", mend)


def clock(whose: str, theirs: datetime, ours: datetime) -> Finding:
    """Whether our clock agrees with another one: by it a bar is settled or still forming."""
    apart = abs(theirs - ours)
    seen = f"{apart.total_seconds():.0f} s apart from the clock of {whose}"
    if apart <= SKEW:
        return Finding("clock", State.OK, seen)
    mend = "let the time be set by the network: timedatectl set-ntp true"
    return Finding("clock", State.WARN if apart <= LOST else State.FAIL, seen, mend)


def vendors(settings: Settings, now: datetime) -> Iterator[Finding]:
    """Whether each source answers one small question, and what time it is there.

    A source that is away is a warning while another one answers.
    """
    found, times = anyio.run(_asked, settings, now)
    alone = all(finding.state is not State.OK for finding in found)
    for finding in found:
        yield Finding(finding.what, State.FAIL, finding.seen, finding.mend) if alone else finding
    if times:
        (whose, apart), ours = times, datetime.now(UTC)
        yield clock(whose, ours + apart, ours)


async def _asked(settings: Settings, now: datetime) -> tuple[list[Finding], tuple[str, timedelta] | None]:
    """What each source said, all at once, and the first clock that could be read."""
    sources = configured(settings, retry=Retry(attempts=1))  # a doctor does not wait for a vendor to recover
    found: dict[str, Finding] = {}
    times: dict[str, timedelta] = {}

    async def ask(source: Source) -> None:
        found[source.name] = await answers(source, now)
        await source.close()

    async def read_clock(name: str, url: str) -> None:
        if apart := await _apart(url):
            times[name] = apart

    async with anyio.create_task_group() as group:
        for name, source in sources.items():
            group.start_soon(ask, source)
            group.start_soon(read_clock, name, getattr(settings, f"{name}_url"))
    first = next(((name, times[name]) for name in sources if name in times), None)
    return [found[name] for name in sources], first


async def answers(source: Source, now: datetime) -> Finding:
    """Whether a source has something to say; that it does not know what was asked for is an answer too."""
    began = time.monotonic()
    try:
        with anyio.fail_after(PATIENCE):
            await _small_question(source, Span(now - timedelta(days=1), now))
    except TimeoutError:
        return Finding(source.name, State.WARN, f"no answer in {PATIENCE:.0f} s", UNREACHED)
    except Unauthorized as error:
        return Finding(source.name, State.FAIL, _words(error), f"mend {source.name.upper()}_API_KEY, or leave it out")
    except (UnknownAtSource, RequestRefused):
        pass
    except SourceError as error:
        return Finding(source.name, State.WARN, _words(error), UNREACHED)
    return Finding(source.name, State.OK, f"answers in {(time.monotonic() - began) * 1000:,.0f} ms")


def _words(error: SourceError) -> str:
    return str(error).removeprefix(f"{error.source}: ")


async def _small_question(source: Source, span: Span) -> None:
    """What costs a vendor next to nothing: the latest splits of a stock, or a day of a coin."""
    stock = Series(Instrument("AAPL"), Timeframe.D1)
    if source.reach(stock, span, span.end):
        await source.actions(stock, span)
    else:
        coin = Series(Instrument("BTC", AssetClass.CRYPTO), Timeframe.H1)
        await source.bars(coin, span, Calendar.always_open())


async def _apart(url: str) -> timedelta | None:
    """How far the clock of a server is ahead of ours, by the date of any answer of it; None if there is none."""
    try:
        async with httpx.AsyncClient(timeout=PATIENCE / 2) as client:
            told = (await client.head(url)).headers.get("date", "")
        return parsedate_to_datetime(told) - datetime.now(UTC)
    except (httpx.HTTPError, ValueError, TypeError):
        return None
