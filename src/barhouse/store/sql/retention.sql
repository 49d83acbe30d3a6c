-- name: fetches
-- Calls to vendors that changed no bar. Those that did bear the stamp by which `as_of` knows since when a bar was there.
SELECT old.id FROM enrichment_fetch_log AS old
WHERE old.stamped_at IS NULL AND old.created_at < %(before)s
  AND NOT EXISTS (SELECT FROM quarantine q WHERE q.fetch_id = old.id AND q.status = 'quarantined')
ORDER BY old.created_at;

-- name: computations
-- Computations of features.
SELECT old.id FROM enrichment_compute_log AS old WHERE old.created_at < %(before)s ORDER BY old.created_at;

-- name: failures
-- Computations of features that failed.
SELECT old.id FROM feature_computation_failures AS old WHERE old.failed_at < %(before)s ORDER BY old.failed_at;

-- name: jobs
-- Jobs of which nothing waits or runs; their tasks go with them.
SELECT old.job_id FROM job AS old
WHERE old.created_at < %(before)s AND NOT EXISTS (
    SELECT FROM job_task t JOIN backfill_state_persistent e ON e.execution_id = t.execution_id
    WHERE t.job_id = old.job_id
      AND (e.status IN ('pending', 'in_progress') OR e.completed_at >= %(before)s)
)
ORDER BY old.created_at;

-- name: executions
-- Executions that have ended, and that no job tells of.
SELECT old.id FROM backfill_state_persistent AS old
WHERE old.created_at < %(before)s AND old.status IN ('completed', 'failed') AND old.completed_at < %(before)s
  AND NOT EXISTS (SELECT FROM job_task t WHERE t.execution_id = old.execution_id)
ORDER BY old.created_at;

-- name: series_runs
-- How series fared in runs.
SELECT old.id FROM symbol_computation_status AS old WHERE old.created_at < %(before)s ORDER BY old.created_at;

-- name: runs
-- Runs that have ended, but for the last one: it says when that was.
SELECT old.id FROM scheduler_execution_log AS old
WHERE old.started_at < %(before)s AND old.status <> 'running'
  AND old.started_at < (SELECT max(started_at) FROM scheduler_execution_log WHERE status <> 'running')
ORDER BY old.started_at;

-- name: health_runs
-- Health runs, but for the last one: it says how the warehouse is.
SELECT old.id FROM health_run AS old
WHERE old.run_at < %(before)s AND old.run_at < (SELECT max(run_at) FROM health_run)
ORDER BY old.run_at;

-- name: deliveries
-- Messages of incidents that are over.
SELECT old.id FROM alert_delivery AS old
WHERE EXISTS (SELECT FROM alert_incident i WHERE i.id = old.incident AND i.status = 'over' AND i.over_at < %(before)s)
ORDER BY old.id;

-- name: incidents
-- Incidents that are over.
SELECT old.id FROM alert_incident AS old
WHERE old.status = 'over' AND old.over_at < %(before)s
  AND NOT EXISTS (SELECT FROM alert_delivery d WHERE d.incident = old.id)
ORDER BY old.id;

-- name: anomalies
-- Anomalies that are resolved.
SELECT old.id FROM data_anomalies AS old
WHERE old.resolution_status = 'resolved' AND old.resolved_at < %(before)s
ORDER BY old.resolved_at;

-- name: sends
-- Calls that no quota counts any more.
SELECT old.id FROM vendor_send AS old WHERE old.leaves_at < %(before)s ORDER BY old.leaves_at;

-- name: forget
-- Takes out so many of them, the oldest first, but for those that somebody writes just now.
DELETE FROM {table} WHERE {key} IN ({old} LIMIT %(most)s FOR UPDATE OF old SKIP LOCKED);
