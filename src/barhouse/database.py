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
from barhouse.store import executions, failures, incidents, runs
from barhouse.store import freshness as feature_freshness
from barhouse.store.postgres import Database


class DatabaseService(Database):
    """Plain calls on one PostgreSQL, safe from threads, with typed errors: `DatabaseService(database_url)`."""

    find = instruments.find
    tracked = instruments.tracked
    described = instruments.described
    totals = instruments.totals
    named = track.named
    track = track.track

    bars = reads.bars
    newest = reads.newest
    pages = reads.pages
    corporate_actions = actions.corporate_actions

    plan = plan.plan
    keep = ingest.keep
    calendar = sessions.calendar

    correct = correct.correct
    corrections = rewritten.corrections
    diff = rewritten.diff

    cleanup_duplicate_records = cleanup.cleanup_duplicate_records
    undo_cleanup = cleanup.undo_cleanup
    cleanups = cleanup.cleanups
    listed_quarantine = quarantine.listed_quarantine
    rejudge = quarantine.rejudge
    release = quarantine.release
    reject = quarantine.reject

    detect_data_anomalies = sweep.detect_data_anomalies
    sweep = sweep.sweep
    listed_anomalies = quality.listed_anomalies
    acknowledge_anomaly = quality.acknowledge_anomaly
    data_quality = quality.data_quality

    create_backfill_state = executions.create_backfill_state
    update_backfill_state = executions.update_backfill_state
    get_active_backfill_states = executions.get_active_backfill_states
    track_symbol_failure = failures.track_symbol_failure

    create_scheduler_execution_log = runs.create_scheduler_execution_log
    update_scheduler_execution_log = runs.update_scheduler_execution_log
    log_feature_computation_failure = runs.log_feature_computation_failure
    log_symbol_computation_status = runs.log_symbol_computation_status
    get_scheduler_execution_history = runs.get_scheduler_execution_history
    update_feature_freshness = feature_freshness.update_feature_freshness
    get_feature_staleness_report = freshness.get_feature_staleness_report
    get_scheduler_health = freshness.get_scheduler_health

    health_run = health.health_run
    health_history = health.health_history
    listed_incidents = incidents.listed_incidents
