"""What must hold of a system that has come to rest, asked in SQL of the database and of the vendors' own books."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString

import psycopg

from tests.chaos.market import FIELDS, Sold, sold
from tests.chaos.stage import Stage

SETTLED = timedelta(days=10)
"""Spans that ended so long ago are read once."""

AT_ONCE, DAY = 0.5, 86_400.0
"""Seconds within which a question may cross a transaction, and that a question may reach into what is kept."""

IN_HAND = 12
"""Questions that a worker that was frozen may still ask for what others have brought meanwhile."""


def broken(stage: Stage, *, complete: bool) -> list[str]:
    """What does not hold; `complete` where all bars must be there."""
    with psycopg.connect(stage.url) as connection:
        return [
            *_bars(connection, complete=complete),
            *_nothing(connection),
            *_counters(connection),
            *_asked_twice(connection, stage),
            *_alerts(connection, stage),
        ]


def _bars(connection: psycopg.Connection, *, complete: bool) -> Iterator[str]:
    """Every series is the vendors', bar for bar, or coverage and an execution that failed tell what is missing."""
    for each in sold():
        instrument, timeframe = each.series.instrument, each.series.timeframe
        stored = connection.execute(
            f"SELECT {', '.join(f'b.{name}' for name in FIELDS)} FROM bar b JOIN instrument i ON i.id = b.instrument "
            "JOIN timeframe t ON t.code = b.timeframe WHERE (i.symbol, i.asset_class, t.name) = (%s, %s, %s) "
            "ORDER BY b.time".encode(),
            [instrument.symbol, instrument.asset_class, timeframe],
        ).fetchall()
        if stored != each.bars:
            yield from _different(connection, each, stored, complete=complete)


def _different(connection: psycopg.Connection, each: Sold, stored: list[Any], *, complete: bool) -> Iterator[str]:
    true, have = set(each.bars), Counter(bar[0] for bar in stored)
    if wrong := [bar for bar in stored if bar not in true]:
        yield f"{each.series}: {len(wrong)} bars are not the vendors', at first {wrong[0]}"
    if double := [time for time, count in have.items() if count > 1]:
        yield f"{each.series}: {len(double)} slots have two bars, at first {double[0]}"
    missing = [bar[0] for bar in each.bars if bar[0] not in have]
    if complete and missing:
        yield f"{each.series}: {len(missing)} bars are missing, {missing[0]} to {missing[-1]}"
    elif missing:
        yield from _silently(connection, each, missing)


LATEST: LiteralString = """
SELECT status, error_message FROM backfill_state_persistent
WHERE (symbol, asset_class, timeframe) = (%s, %s, %s) ORDER BY completed_at DESC LIMIT 1
"""

ASKED: LiteralString = """
SELECT s.name, c.state, c.span_start, c.span_end FROM coverage c JOIN instrument i ON i.id = c.instrument
JOIN timeframe t ON t.code = c.timeframe JOIN source s ON s.code = c.source
WHERE (i.symbol, i.asset_class, t.name) = (%s, %s, %s) ORDER BY 1, 3
"""

SAYING = re.compile("could not be read|ended in the midst")
"""How an execution says that bars are still missing."""


def _silently(connection: psycopg.Connection, each: Sold, missing: list[datetime]) -> Iterator[str]:
    """Bars that are missing though the series did not fail by name, or though their span counts as read."""
    key = [each.series.instrument.symbol, each.series.instrument.asset_class, each.series.timeframe]
    ended, asked = connection.execute(LATEST, key).fetchone(), connection.execute(ASKED, key).fetchall()
    told = ", ".join(f"{source} {state} {start:%FT%R} to {end:%FT%R}" for source, state, start, end in asked)
    if ended is None or ended[0] != "failed" or not SAYING.search(ended[1]):
        yield f"{each.series}: {len(missing)} bars are missing from {missing[0]} on, and all it says is {ended}; {told}"
    read = [(start, end) for _, state, start, end in asked if state == "fetched"]
    if silent := [time for time in missing if any(start <= time < end for start, end in read)]:
        yield f"{each.series}: {len(silent)} bars are missing that count as read, {silent[0]} to {silent[-1]}"


NOTHING: dict[str, LiteralString] = {
    "a fetch tells other bars than are there of it": """
        SELECT fetch_id, bars, records_inserted FROM (SELECT fetch_id, count(*) AS bars FROM bar GROUP BY 1) AS bar
        FULL JOIN enrichment_fetch_log ON id = fetch_id
        WHERE coalesce(bars, 0) IS DISTINCT FROM records_inserted""",
    "a series tells other bars than it has": """
        SELECT * FROM series CROSS JOIN LATERAL (
            SELECT count(*) AS held, min(time) AS first, max(time) AS last FROM bar
            WHERE (bar.instrument, bar.timeframe) = (series.instrument, series.timeframe)) AS bar
        WHERE (bars, first_bar, last_bar) IS DISTINCT FROM (held, first, last) AND held > 0""",
    "the executions of a series inserted other bars than it has": """
        SELECT * FROM (SELECT symbol, asset_class, timeframe, sum(records_inserted) AS told
                       FROM backfill_state_persistent GROUP BY 1, 2, 3) AS told
        JOIN (SELECT symbol, asset_class, timeframe, count(*) AS held FROM market_data GROUP BY 1, 2, 3) AS held
            USING (symbol, asset_class, timeframe) WHERE told <> held""",
    "a bar has no features": """
        SELECT b.instrument, b.timeframe, b.time FROM bar b
        WHERE NOT EXISTS (SELECT FROM bar_feature f
                          WHERE (f.instrument, f.timeframe, f.time) = (b.instrument, b.timeframe, b.time))""",
    "a bar was restated or set aside": """
        SELECT symbol, field_corrected, old_value, new_value, "timestamp" FROM data_corrections
        WHERE old_value IS NOT NULL AND field_corrected <> 'source'""",  # a vendor that was away adds what it alone has
    "stretches of coverage overlap": """
        SELECT a.instrument, a.span_start, b.span_start FROM coverage a
        JOIN coverage b ON (a.instrument, a.timeframe, a.source) = (b.instrument, b.timeframe, b.source)
            AND a.id < b.id AND a.span_start < b.span_end AND b.span_start < a.span_end""",
    "the books of a run do not add up": """
        SELECT r.execution_id, r.status, r.total_symbols, r.successful_symbols, r.failed_symbols
        FROM scheduler_execution_log r
        WHERE r.status = 'running' OR r.completed_at IS NULL
           OR r.successful_symbols + r.failed_symbols <> r.total_symbols""",
    "a series is said to be under way in a run": """
        SELECT symbol, timeframe, status, execution_id FROM symbol_computation_status
        WHERE status IN ('pending', 'in_progress', 'retry')""",
    "an execution is over without an end": """
        SELECT symbol, timeframe, status, completed_at, lease_token, error_message FROM backfill_state_persistent
        WHERE completed_at IS NULL OR lease_token IS NOT NULL OR (status = 'failed') <> (error_message IS NOT NULL)""",
    "the leader gives no sign of life": """
        SELECT owner, since, heartbeat_at, resigned FROM scheduler_leader
        WHERE resigned OR heartbeat_at < clock_timestamp() - interval '15 s'""",
    "somebody holds a transaction open": """
        SELECT pid, application_name, state, query FROM pg_stat_activity
        WHERE state LIKE 'idle in transaction%' AND clock_timestamp() - state_change > interval '5 s'""",
    "a lock is held and nothing runs": """
        SELECT l.pid, l.mode, a.query FROM pg_locks l JOIN pg_stat_activity a USING (pid)
        WHERE l.locktype IN ('relation', 'tuple') AND clock_timestamp() - a.xact_start > interval '30 s'""",
}
"""Questions to which the answer is nothing."""


def _nothing(connection: psycopg.Connection) -> Iterator[str]:
    for meaning, question in NOTHING.items():
        if rows := connection.execute(question).fetchmany(3):
            yield f"{meaning}: {rows}"


COUNTERS: LiteralString = """
WITH ends AS (
    SELECT symbol, asset_class, status = 'failed' AS failed,
           row_number() OVER (PARTITION BY symbol, asset_class ORDER BY completed_at DESC) AS back
    FROM backfill_state_persistent
), rows AS (
    SELECT symbol, asset_class,
           coalesce(min(back) FILTER (WHERE NOT failed), count(*) + 1) - 1 AS in_a_row
    FROM ends GROUP BY symbol, asset_class
)
SELECT rows.symbol, in_a_row, consecutive_failures
FROM rows LEFT JOIN symbol_failure_tracking USING (symbol, asset_class)
WHERE in_a_row IS DISTINCT FROM consecutive_failures
"""


def _counters(connection: psycopg.Connection) -> Iterator[str]:
    """Each symbol has failed as often in a row as its executions have."""
    for symbol, true, told in connection.execute(COUNTERS):
        yield f"{symbol} has failed {true} times in a row, and {told} are counted"


KEPT: LiteralString = """
SELECT symbol, source, extract(epoch FROM span_start)::float8, extract(epoch FROM least(span_end, %s))::float8,
       extract(epoch FROM pg_xact_commit_timestamp(xmin))::float8
FROM enrichment_fetch_log
WHERE success AND records_fetched > 0 AND span_start < %s
"""


def _asked_twice(connection: psycopg.Connection, stage: Stage) -> Iterator[str]:
    """No vendor is asked for a span after the transaction that kept it; a frozen worker may not know of it."""
    final = datetime.now(UTC) - SETTLED
    kept: dict[tuple[str, str], list[tuple[float, float, float]]] = defaultdict(list)
    for symbol, source, start, end, at in connection.execute(KEPT, [final, final]):
        kept[symbol, source].append((start, end, at))
    again = [
        f"{line} (kept {asked - at:.1f} s before)"
        for asked, source, symbol, first, last, line in _questions(stage)
        for start, end, at in kept[symbol, source]
        if asked > at + AT_ONCE and min(end, last) - max(start, first) > DAY
    ]
    if len(again) > IN_HAND * len(stage.zombies):
        yield f"{len(again)} spans were asked for again, at first {again[0]}"


AGGREGATES = re.compile(r"/v2/aggs/ticker/(?:X:)?([A-Z]+?)(?:USD)?/range/[^/]+/[^/]+/([-0-9]+)/([-0-9]+)\?")
KLINES = re.compile(r"symbol=([A-Z]+?)USDT.*startTime=(\d+).*endTime=(\d+)")


def _questions(stage: Stage) -> Iterator[tuple[float, str, str, float, float, str]]:
    """What the vendors were asked for: when, who, which symbol, from when, until when."""
    for line in stage.calls.read_text().splitlines():
        asked, _, _, target = line.split(" ", 3)
        for source, pattern in (("polygon", AGGREGATES), ("binance", KLINES)):
            if (found := pattern.search(target)) and "cursor" not in target:
                symbol, first, last = found.groups()
                yield float(asked), source, symbol, _epoch(first), _epoch(last), line


def _epoch(word: str) -> float:
    """A day or milliseconds, as seconds."""
    return datetime.fromisoformat(f"{word}T00:00Z").timestamp() if "-" in word else int(word) / 1000


def _alerts(connection: psycopg.Connection, stage: Stage) -> Iterator[str]:
    """Of each incident people were told once; of a message that was sent again its receiver knows by its id."""
    told: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for message in stage.hook.messages:
        told[message["incident"], message["event"]][message["id"]] += 1
    known = connection.execute("SELECT incident_id::text, rule, cause, status FROM alert_incident").fetchall()
    if not any(rule == "overdue" for _, rule, _, _ in known):
        yield f"Nobody was alerted of the series that are late, only of {known}"
    for incident, rule, cause, status in known:
        wanted = ["opened"] if status != "over" else ["opened", "over"]
        for event in wanted:
            ids = told.pop((incident, event), Counter())
            if len(ids) != 1:
                yield f"{rule} of {cause} ({status}): {len(ids)} messages that it is {event}"
            if ids.total() > 1 + len(stage.killed) + len(stage.outages):
                yield f"{rule} of {cause}: a message came {ids.total()} times"
    if told:
        yield f"Messages of incidents that nobody knows: {dict(told)}"
    known_causes = Counter((rule, cause) for _, rule, cause, status in known if status != "over")
    yield from (f"{key} is {count} incidents" for key, count in known_causes.items() if count > 1)
