"""The warehouse as one object: a table of contents; each function lives with its subject."""

from __future__ import annotations

from barhouse.flow import (
    actions,
    cleanup,
    correct,
    freshness,
    health,
    ingest,
    instruments,
    plan,
    quality,
    quarantine,
    reads,
    rewritten,
    sessions,
    sweep,
    track,
)
from barhouse.flow.wording import worded
from barhouse.store import executions, failures, incidents, runs
from barhouse.store import freshness as feature_freshness
from barhouse.store.postgres import Database


class DatabaseService(Database):
    """Plain calls on one PostgreSQL, safe from threads, with typed errors: `DatabaseService(database_url)`.

    Instants in dictionaries are text, as HTTP tells them: RFC 3339 in UTC, ending in Z.
    """

    find = instruments.find
    tracked = instruments.tracked
    described = instruments.described
    totals = instruments.totals
    named = track.named
    track = track.track

    bars = reads.bars
    newest = reads.newest
    pages = reads.pages
    corporate_actions = worded(actions.corporate_actions)

    plan = plan.plan
    keep = ingest.keep
    calendar = sessions.calendar

    correct = correct.correct
    corrections = worded(rewritten.corrections)
    diff = rewritten.diff

    cleanup_duplicate_records = worded(cleanup.cleanup_duplicate_records)
    undo_cleanup = worded(cleanup.undo_cleanup)
    cleanups = worded(cleanup.cleanups)
    listed_quarantine = worded(quarantine.listed_quarantine)
    rejudge = worded(quarantine.rejudge)
    release = worded(quarantine.release)
    reject = quarantine.reject

    detect_data_anomalies = sweep.detect_data_anomalies
    sweep = sweep.sweep
    listed_anomalies = worded(quality.listed_anomalies)
    acknowledge_anomaly = worded(quality.acknowledge_anomaly)
    data_quality = worded(quality.data_quality)

    create_backfill_state = executions.create_backfill_state
    update_backfill_state = executions.update_backfill_state
    get_active_backfill_states = worded(executions.get_active_backfill_states)
    track_symbol_failure = worded(failures.track_symbol_failure)

    create_scheduler_execution_log = runs.create_scheduler_execution_log
    update_scheduler_execution_log = runs.update_scheduler_execution_log
    log_feature_computation_failure = runs.log_feature_computation_failure
    log_symbol_computation_status = runs.log_symbol_computation_status
    get_scheduler_execution_history = worded(runs.get_scheduler_execution_history)
    update_feature_freshness = feature_freshness.update_feature_freshness
    get_feature_staleness_report = worded(freshness.get_feature_staleness_report)
    get_scheduler_health = worded(freshness.get_scheduler_health)

    health_run = worded(health.health_run)
    health_history = worded(health.health_history)
    listed_incidents = worded(incidents.listed_incidents)
