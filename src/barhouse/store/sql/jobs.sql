-- name: want
-- What some waiting executions are to bring: more than before where several ask.
UPDATE backfill_state_persistent e
SET wanted_start = least(e.wanted_start, told.since), wanted_end = greatest(e.wanted_end, told.until),
    refresh = e.refresh OR %(refresh)s,
    fresh_since = CASE WHEN e.wanted_start IS NULL THEN %(fresh)s::timestamptz
                       WHEN e.fresh_since IS NOT NULL AND %(fresh)s::timestamptz IS NOT NULL
                       THEN least(e.fresh_since, %(fresh)s::timestamptz) END
FROM unnest(%(executions)s::uuid[], %(starts)s::timestamptz[], %(ends)s::timestamptz[])
     AS told (execution_id, since, until)
WHERE e.execution_id = told.execution_id AND e.status = 'pending';

-- name: narrower
-- Executions under way that do not bring all of what is asked for now, with what they bring.
SELECT e.symbol, e.timeframe, e.wanted_start, e.wanted_end
FROM backfill_state_persistent e
JOIN unnest(%(executions)s::uuid[], %(starts)s::timestamptz[], %(ends)s::timestamptz[])
     AS told (execution_id, since, until) USING (execution_id)
WHERE e.status = 'in_progress'
  AND (e.wanted_start IS NULL OR e.wanted_start > told.since OR e.wanted_end < told.until
       OR %(refresh)s AND NOT e.refresh)
ORDER BY e.symbol, e.timeframe;

-- name: holding
-- The unfinished job in which some active executions are all of them, the newest of several.
SELECT t.job_id
FROM job_task t
JOIN job j USING (job_id)
WHERE t.execution_id = ANY (%(executions)s)
GROUP BY t.job_id, j.created_at
HAVING count(*) = cardinality(%(executions)s::uuid[])
ORDER BY j.created_at DESC
LIMIT 1;

-- name: begin
-- A job is asked for.
INSERT INTO job (kind, requested_by, run_id)
VALUES (%(kind)s, %(by)s, %(run)s)
RETURNING job_id;

-- name: add
-- The tasks of a job, each pointing at the execution that does it.
INSERT INTO job_task (job_id, symbol, asset_class, timeframe, execution_id)
SELECT %(job)s, e.symbol, e.asset_class, e.timeframe, e.execution_id
FROM backfill_state_persistent e
WHERE e.execution_id = ANY (%(executions)s);

-- name: standing
-- How a job stands.
SELECT job_id::text, kind, requested_by, status, created_at, started_at, completed_at, total, queued, running,
       successful, failed, retried, records_inserted, bars_done, bars_expected
FROM job_state
WHERE job_id = %(job)s;

-- name: tasks
-- How the tasks of a job stand.
SELECT symbol, asset_class, timeframe, status, execution_id::text, retry_count, error_message, records_inserted,
       bars_done, bars_expected, started_at, completed_at, wanted_start, wanted_end
FROM job_task_state
WHERE job_id = %(job)s
ORDER BY symbol, asset_class, timeframe;

-- name: recent
-- How the latest jobs stand, newest first.
SELECT job_id::text, kind, requested_by, status, created_at, started_at, completed_at, total, queued, running,
       successful, failed, retried, records_inserted, bars_done, bars_expected
FROM job_state
WHERE %(kind)s::text IS NULL OR kind = %(kind)s
ORDER BY created_at DESC, job_id
LIMIT %(limit)s;

-- name: together
-- What an unfinished execution is to bring, in the books of the first run that asked for it, and what those of its job
-- that wait behind it are.
WITH own AS (
    SELECT e.id, e.refresh, e.fresh_since, asked.job_id, asked.run_id
    FROM backfill_state_persistent e
    CROSS JOIN LATERAL (SELECT j.job_id, j.run_id FROM job_task t JOIN job j USING (job_id)
                        WHERE t.execution_id = e.execution_id ORDER BY j.created_at, j.job_id LIMIT 1) AS asked
    WHERE e.execution_id = %(execution)s AND e.status IN ('pending', 'in_progress') AND e.wanted_start IS NOT NULL
)
SELECT e.execution_id, i.id, i.symbol, i.asset_class, i.exchange, e.timeframe, e.wanted_start, e.wanted_end, e.refresh,
       e.fresh_since, own.run_id
FROM own
JOIN job_task t USING (job_id)
JOIN backfill_state_persistent e USING (execution_id)
JOIN instrument i ON i.symbol = e.symbol AND i.asset_class = e.asset_class
WHERE e.id = own.id
   OR e.id > own.id AND e.status = 'pending' AND e.wanted_start IS NOT NULL AND e.refresh = own.refresh
   AND e.fresh_since IS NOT DISTINCT FROM own.fresh_since
ORDER BY e.id
LIMIT %(limit)s;

-- name: lock
-- The runs of the jobs that want some executions, and of those that share others with them; nobody else books for
-- them until the transaction ends.
SELECT r.execution_id
FROM scheduler_execution_log r
WHERE r.status = 'running'
  AND r.execution_id IN (SELECT j.run_id FROM job_task shared JOIN job j USING (job_id)
                         WHERE shared.execution_id IN (
                             SELECT own.execution_id FROM job_task own
                             WHERE own.job_id IN (SELECT job_id FROM job_task WHERE execution_id = ANY (%(executions)s))
                         ))
ORDER BY r.execution_id
FOR UPDATE;

-- name: count
-- The symbols of some runs whose tasks are all through and were not counted yet, and whether all of them succeeded;
-- without those of which only that failed which another job has counted.
WITH through AS (
    SELECT s.job_id, s.symbol, s.asset_class,
           CASE WHEN bool_or(s.status = 'failed' AND NOT before.counted) THEN false
                WHEN bool_and(s.status = 'completed') THEN true END AS succeeded
    FROM job_task_state s
    JOIN job j USING (job_id)
    CROSS JOIN LATERAL (SELECT EXISTS (SELECT FROM job_task o WHERE o.execution_id = s.execution_id AND o.counted)
                        AS counted) AS before
    WHERE j.run_id = ANY (%(runs)s)
    GROUP BY s.job_id, s.symbol, s.asset_class
    HAVING bool_and(s.status IN ('completed', 'failed')) AND NOT bool_or(s.counted)
), counted AS (
    UPDATE job_task t
    SET counted = true
    FROM through
    WHERE (t.job_id, t.symbol, t.asset_class) = (through.job_id, through.symbol, through.asset_class)
)
SELECT symbol, asset_class, bool_and(succeeded)
FROM through
WHERE succeeded IS NOT NULL
GROUP BY symbol, asset_class;

-- name: book
-- What the runs of jobs have come to; a symbol has failed when one of its series has. Records are those of all workers
-- that were at a series, one after the other.
WITH symbols AS (
    SELECT j.run_id, s.symbol, bool_and(s.status IN ('completed', 'failed')) AS through,
           bool_or(s.status = 'failed') AS failed, max(s.completed_at) AS ended_at,
           string_agg(format('%%s %%s: %%s', s.symbol, s.timeframe, s.error_message), '; ' ORDER BY s.timeframe)
               FILTER (WHERE s.status = 'failed') AS errors
    FROM job_task_state s
    JOIN job j USING (job_id)
    WHERE j.run_id = ANY (%(runs)s)
    GROUP BY j.run_id, s.symbol, s.asset_class
), totals AS (
    SELECT run_id, count(*) FILTER (WHERE through AND NOT failed) AS successful,
           count(*) FILTER (WHERE through AND failed) AS failed, bool_and(through) AS ended,
           max(ended_at) AS ended_at, (array_agg(errors ORDER BY symbol) FILTER (WHERE errors IS NOT NULL))[:3] AS errors
    FROM symbols
    GROUP BY run_id
)
UPDATE scheduler_execution_log r
SET successful_symbols = t.successful, failed_symbols = t.failed,
    total_records_processed = coalesce((
        SELECT sum(f.records_fetched)
        FROM job_task w
        JOIN backfill_state_persistent e USING (execution_id)
        JOIN enrichment_fetch_log f ON (f.symbol, f.asset_class, f.timeframe) = (e.symbol, e.asset_class, e.timeframe)
         AND f.created_at >= e.started_at AND f.job_id = w.job_id
        WHERE w.job_id = j.job_id AND f.success), 0),
    status = CASE WHEN NOT t.ended THEN 'running'
                  WHEN t.failed = 0 THEN 'completed'
                  WHEN t.successful = 0 THEN 'failed'
                  ELSE 'completed_with_errors' END,
    completed_at = CASE WHEN t.ended THEN t.ended_at END,
    error_message = array_to_string(t.errors, '; ')
FROM totals t
JOIN job j ON j.run_id = t.run_id
WHERE r.execution_id = t.run_id AND r.status = 'running'
RETURNING j.job_id, j.kind, r.status, r.successful_symbols, r.failed_symbols, r.total_records_processed;

-- name: unbooked
-- Of each run whose job is through, though that was not booked, one of its executions.
SELECT (array_agg(s.execution_id))[1]
FROM scheduler_execution_log r
JOIN job j ON j.run_id = r.execution_id
JOIN job_task_state s USING (job_id)
WHERE r.status = 'running'
GROUP BY r.execution_id
HAVING bool_and(s.status IN ('completed', 'failed'));

-- name: cancel
-- Ends what is left of a job, but for what other jobs want too; says how many executions that are.
WITH own AS (
    SELECT t.execution_id
    FROM job_task t
    WHERE t.job_id = %(job)s
      AND NOT EXISTS (SELECT FROM job_task o WHERE o.execution_id = t.execution_id AND o.job_id <> t.job_id)
), ended AS (
    UPDATE backfill_state_persistent e
    SET status = 'failed', error_message = 'Cancelled', completed_at = clock_timestamp(), lease_token = NULL,
        lease_expires_at = NULL
    FROM own
    WHERE e.execution_id = own.execution_id AND e.status IN ('pending', 'in_progress')
    RETURNING e.execution_id
), counted AS (
    UPDATE job_task t SET counted = true FROM ended WHERE t.execution_id = ended.execution_id
)
SELECT execution_id FROM ended;

-- name: failed
-- What failed of a job, with what was wanted of it.
SELECT i.id, i.symbol, i.asset_class, i.exchange, s.timeframe, s.wanted_start, s.wanted_end
FROM job_task_state s
JOIN instrument i ON i.symbol = s.symbol AND i.asset_class = s.asset_class
WHERE s.job_id = %(job)s AND s.status = 'failed' AND s.wanted_start IS NOT NULL;

-- name: pace
-- Seconds that a bar took lately, from the vendor into the warehouse; nothing where none was brought yet.
SELECT (sum(extract(epoch FROM completed_at - started_at)) / nullif(sum(bars_done), 0))::float8
FROM (SELECT completed_at, started_at, bars_done FROM backfill_state_persistent
      WHERE status = 'completed' AND bars_done > 0 ORDER BY created_at DESC LIMIT 100) AS latest;
