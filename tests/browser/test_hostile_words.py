"""Whatever others wrote, vendors, users, other tools, is shown as words: nothing of it becomes a part of a page."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import psycopg
import pytest
from playwright.sync_api import Page

from barhouse.store.postgres import Database
from bench.reading import serving
from tests.browser.complaints import Complaints
from tests.browser.conftest import QUALITY, RULED, SETTINGS
from tests.servers import Server

STING = """'"></script><script>stung=1</script><img src=x onerror=stung=1><b onclick="stung=1" style=top:0>b</b>"""
SYMBOL = STING.replace("/", "")
JOB, RUN, EXECUTION = (f"00000000-0000-4000-8000-00000000000{number}" for number in range(3))

WRITTEN = f"""
INSERT INTO instrument (symbol, asset_class, exchange, name) VALUES (%(symbol)s, 'stock', 'XNYS', %(sting)s);
INSERT INTO series (instrument, timeframe, tracked, since, revision, bars, first_bar, last_bar)
SELECT id, 7, true, '2026-11-02Z', 1, 3, '2026-11-02Z', '2026-11-04Z' FROM instrument;
INSERT INTO market_data (symbol, asset_class, timeframe, time, open, high, low, close, volume, source, validated,
                         quality_score, flags)
SELECT %(symbol)s, 'stock', '1d', day, 1, 2, 1, 2, 5, %(sting)s, true, 1, %(sting)s
FROM generate_series('2026-11-02Z', '2026-11-04 14:30Z', interval '14 hours 30 minutes') AS day;
INSERT INTO quarantine (instrument, timeframe, time, source, reason, payload, decided_by, decision)
SELECT id, 7, '2026-11-05Z', 1, %(sting)s, %(sting)s, %(sting)s, %(sting)s FROM instrument;
INSERT INTO coverage (instrument, timeframe, source, span_start, span_end, state, read_at, reason)
SELECT id, 7, 1, '2026-11-06Z', '2026-11-08Z', 'failed', now(), %(sting)s FROM instrument;
INSERT INTO corporate_action (instrument, kind, effective, amount, currency, source)
SELECT id, 'dividend', '2026-11-03', 1, %(sting)s, 1 FROM instrument;
INSERT INTO enrichment_fetch_log (symbol, asset_class, timeframe, source, success, error_details, error_class, job_id)
VALUES (%(symbol)s, 'stock', '1d', 'polygon', false, %(sting)s, %(sting)s, '{JOB}'),
       (%(symbol)s, 'stock', '1d', %(sting)s, false, %(sting)s, %(sting)s, '{JOB}');
INSERT INTO data_anomalies (symbol, asset_class, timeframe, anomaly_type, severity, description, evidence,
                            data_point_time, instrument, timeframe_code, acknowledged_by)
SELECT symbol, 'stock', '1d', 'gap', 'critical', %(sting)s, jsonb_build_object(%(sting)s::text, %(sting)s::text),
       '2026-11-04Z', id, 7, %(sting)s FROM instrument;
INSERT INTO data_corrections (original_record_id, instrument, timeframe_code, symbol, asset_class, timeframe, timestamp,
                              field_corrected, old_value, new_value, reason, corrected_by, note)
SELECT 1, id, 7, symbol, 'stock', '1d', '2026-11-03Z', 'close', 1, 2, 'manual_correction', %(sting)s, %(sting)s
FROM instrument;
INSERT INTO scheduler_execution_log (execution_id, started_at, completed_at, status, total_symbols, failed_symbols,
                                     error_message)
VALUES ('{RUN}', now(), now(), 'failed', 1, 1, %(sting)s);
INSERT INTO backfill_state_persistent (execution_id, symbol, asset_class, timeframe, status, started_at, completed_at,
                                       error_message, owner, run_id)
VALUES ('{EXECUTION}', %(symbol)s, 'stock', '1d', 'failed', now(), now(), %(sting)s, %(sting)s, '{RUN}');
INSERT INTO job (job_id, kind, requested_by, error_message, run_id)
VALUES ('{JOB}', 'backfill', %(sting)s, %(sting)s, '{RUN}');
INSERT INTO job_task (job_id, symbol, asset_class, timeframe, execution_id)
VALUES ('{JOB}', %(symbol)s, 'stock', '1d', '{EXECUTION}');
INSERT INTO alert_incident (rule, cause, severity, message, subjects, opened_at)
VALUES ('overdue', %(sting)s, 'critical', %(sting)s, ARRAY[%(sting)s], now());
INSERT INTO alert_delivery (incident, event, channel, status, error)
SELECT id, 'opened', %(sting)s, 'dropped', %(sting)s FROM alert_incident;
INSERT INTO schedule (name, cron, enabled, paused_at, paused_by, fired_by, last_result)
VALUES ('backfill', %(sting)s, true, now(), %(sting)s, %(sting)s, jsonb_build_object('outcome', %(sting)s::text));
INSERT INTO vendor_quota (source, holder, most, seconds, by_the_clock, day, refused_until, refused_because)
VALUES ('polygon', 'k', 5, 61, false, current_date, now() + interval '1 day', %(sting)s);
"""
"""The same words wherever somebody's words are kept."""

ASKED = quote("'><img src=x onerror=stung=1>")
TELLING = [
    "/dashboard",
    "/dashboard/jobs",
    f"/dashboard/jobs/{JOB}",
    f"/dashboard/jobs/{JOB}?tab=log",
    "/dashboard/symbols",
    f"/dashboard/symbols/{quote(SYMBOL)}",
    f"/dashboard/symbols/{ASKED}",
    "/dashboard/coverage",
    f"/dashboard/coverage/{quote(SYMBOL)}",
    *(f"/dashboard/quality{tab}" for tab in QUALITY),
    *(f"/dashboard/settings{tab}" for tab in SETTINGS),
]
"""Pages on which the words stand."""

OTHERS = [
    f"/dashboard/jobs?symbol={ASKED}&by={ASKED}",
    f"/dashboard/symbols?q={ASKED}",
    f"/dashboard/quality?symbol={ASKED}",
    *RULED,
    f"/signin?next={ASKED}",
]
"""Pages that hold them in fields, or not at all."""


@pytest.fixture(scope="module")
def stung(server: Server) -> Iterator[str]:
    """The address of a warehouse in which others wrote what they liked."""
    with server.database() as url:
        with psycopg.connect(url) as connection:
            for statement in WRITTEN.split(";\n")[:-1]:
                connection.execute(statement.encode(), {"sting": STING, "symbol": SYMBOL})
        with Database(url) as db, serving(db, "barhouse.api.app:create") as address:
            yield address


@pytest.mark.parametrize("path", [*TELLING, *OTHERS])
def test_words_of_others_stay_words(page: Page, stung: str, complaints: Complaints, path: str) -> None:
    complaints.expect(r"status of 404 .*/dashboard/symbols/")
    page.goto(stung + path, wait_until="networkidle")

    assert page.evaluate("typeof stung") == "undefined"
    assert page.locator("img[src=x], b[onclick], [style*='top:0']").count() == 0
    assert path in OTHERS or page.get_by_text("onerror=stung=1").count()
