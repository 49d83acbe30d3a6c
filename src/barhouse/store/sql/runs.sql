-- name: begin
-- A run begins; with an owner its process has to show that it lives.
INSERT INTO scheduler_execution_log (started_at, total_symbols, status, owner, heartbeat_at, lease_expires_at)
VALUES (%(started)s, %(total)s, %(status)s, %(owner)s,
        CASE WHEN %(owner)s::text IS NOT NULL THEN clock_timestamp() END,
        CASE WHEN %(owner)s::text IS NOT NULL THEN clock_timestamp() + %(lease)s::interval END)
RETURNING execution_id;

-- name: update
-- What a run has come to; one that has ended does not run again.
UPDATE scheduler_execution_log
SET completed_at = %(completed)s, successful_symbols = %(successful)s, failed_symbols = %(failed)s,
    total_records_processed = %(records)s, status = %(status)s, error_message = coalesce(%(error)s, error_message),
    lease_expires_at = CASE WHEN %(status)s = 'running' THEN lease_expires_at END
WHERE execution_id = %(run)s AND (status = 'running' OR %(status)s <> 'running');

-- name: beat
-- The process of a run shows that it lives.
UPDATE scheduler_execution_log
SET heartbeat_at = clock_timestamp(), lease_expires_at = clock_timestamp() + %(lease)s::interval
WHERE execution_id = %(run)s AND status = 'running';

-- name: bury
-- Ends the runs whose processes died.
UPDATE scheduler_execution_log
SET status = 'failed', completed_at = heartbeat_at, error_message = 'Its process ended in the midst of it'
WHERE status = 'running' AND lease_expires_at <= clock_timestamp();

-- name: history
-- The latest runs, newest first.
SELECT execution_id::text, started_at, completed_at,
       extract(epoch FROM completed_at - started_at)::float8 AS duration_seconds, total_symbols, successful_symbols,
       failed_symbols, total_records_processed, status, error_message,
       coalesce(round(100.0 * successful_symbols / nullif(total_symbols, 0), 1), 0)::float8 AS success_rate
FROM scheduler_run
ORDER BY started_at DESC, id DESC
LIMIT %(limit)s;

-- name: last
-- The latest run, and whether the last one that has ended failed.
SELECT execution_id::text, started_at, completed_at, status, successful_symbols, failed_symbols,
       coalesce((SELECT ended.status = 'failed' FROM scheduler_run ended WHERE ended.status <> 'running'
                 ORDER BY ended.completed_at DESC NULLS LAST, ended.id DESC LIMIT 1), false) AS ended_badly
FROM scheduler_run
ORDER BY started_at DESC, id DESC
LIMIT 1;

-- name: failures
-- What failed lately, newest first.
SELECT symbol, timeframe, error_message AS error, failed_at
FROM feature_computation_failures
WHERE failed_at > now() - interval '24 hours'
ORDER BY failed_at DESC, id DESC
LIMIT %(limit)s;

-- name: fail
-- Writes down that some series failed, in a run that is known if one is named.
INSERT INTO feature_computation_failures (execution_id, symbol, asset_class, timeframe, error_message)
SELECT %(run)s, told.*
FROM unnest(%(symbols)s::text[], %(classes)s::text[], %(timeframes)s::text[], %(errors)s::text[]) AS told
WHERE %(run)s::uuid IS NULL
   OR EXISTS (SELECT FROM scheduler_execution_log WHERE execution_id = %(run)s);

-- name: tell
-- Writes down how some series of a known run fare.
INSERT INTO symbol_computation_status AS known (execution_id, symbol, asset_class, timeframe, status, records_processed,
    records_inserted, features_computed, error_message, started_at, completed_at)
SELECT %(run)s, told.*
FROM unnest(%(symbols)s::text[], %(classes)s::text[], %(timeframes)s::text[], %(statuses)s::text[],
            %(processed)s::bigint[], %(inserted)s::bigint[], %(features)s::int[], %(errors)s::text[],
            %(starts)s::timestamptz[], %(ends)s::timestamptz[]) AS told
WHERE EXISTS (SELECT FROM scheduler_execution_log WHERE execution_id = %(run)s)
ON CONFLICT (execution_id, symbol, asset_class, timeframe) DO UPDATE
SET status = excluded.status, records_processed = excluded.records_processed,
    records_inserted = excluded.records_inserted, features_computed = excluded.features_computed,
    error_message = excluded.error_message, started_at = coalesce(excluded.started_at, known.started_at),
    completed_at = excluded.completed_at;
