-- name: standings
-- How some jobs stand, as `job_state` tells it, but the series of all in one pass.
SELECT j.job_id::text, j.kind, j.requested_by,
       CASE WHEN own.queued = own.total THEN 'queued'
            WHEN own.queued + own.running > 0 THEN 'in_progress'
            WHEN own.failed > 0 THEN 'failed'
            ELSE 'completed' END AS status,
       j.created_at, own.started_at, CASE WHEN own.queued + own.running = 0 THEN own.ended_at END AS completed_at,
       own.total, own.queued, own.running, own.successful, own.failed, own.retried, own.records_inserted,
       own.bars_done, own.bars_expected
FROM job j
JOIN (
    SELECT t.job_id, count(*) AS total, count(*) FILTER (WHERE t.status = 'queued') AS queued,
           count(*) FILTER (WHERE t.status = 'in_progress') AS running,
           count(*) FILTER (WHERE t.status = 'completed') AS successful,
           count(*) FILTER (WHERE t.status = 'failed') AS failed,
           sum(t.retry_count)::bigint AS retried, sum(t.records_inserted)::bigint AS records_inserted,
           sum(t.bars_done)::bigint AS bars_done, sum(t.bars_expected)::bigint AS bars_expected,
           min(t.started_at) AS started_at, max(t.completed_at) AS ended_at
    FROM job_task_state t
    WHERE t.job_id = ANY (%(jobs)s::uuid[])
    GROUP BY t.job_id
) AS own USING (job_id);

-- name: history
-- The latest enrichments, all or those that have ended, or one job of any kind, newest first; counted are symbols.
SELECT j.job_id::text, j.started_at, j.completed_at,
       extract(epoch FROM j.completed_at - j.started_at)::float8 AS duration_seconds, j.status, own.successful,
       own.failed, own.retried, own.total_records_inserted, own.total_records_updated
FROM (
    SELECT job_id FROM job
    WHERE job_id = %(job)s
       OR %(job)s::uuid IS NULL AND kind = 'enrichment'
      AND (NOT %(ended)s OR NOT EXISTS (SELECT FROM job_task_state t
                                        WHERE t.job_id = job.job_id AND t.status IN ('queued', 'in_progress')))
    ORDER BY created_at DESC, job_id
    LIMIT %(limit)s
) AS chosen
JOIN job_state j USING (job_id)
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE s.status = 'completed') AS successful,
           count(*) FILTER (WHERE s.status = 'failed') AS failed, sum(s.retry_count)::bigint AS retried,
           sum(s.records_inserted)::bigint AS total_records_inserted,
           sum(s.records_updated)::bigint AS total_records_updated
    FROM job_symbol_state s
    WHERE s.job_id = chosen.job_id
) AS own
ORDER BY j.created_at DESC, j.job_id;

-- name: of_symbol
-- How an instrument stands in the newest job that has it.
SELECT s.status, s.retry_count, s.last_error, s.started_at, s.completed_at
FROM (
    SELECT t.job_id
    FROM backfill_state_persistent e
    JOIN job_task t USING (execution_id)
    JOIN job j USING (job_id)
    WHERE e.symbol = %(symbol)s AND e.asset_class = %(asset_class)s
    ORDER BY j.created_at DESC, j.job_id
    LIMIT 1
) AS latest
JOIN job_symbol_state s USING (job_id)
WHERE s.symbol = %(symbol)s AND s.asset_class = %(asset_class)s;

-- name: under_way
-- The symbols of jobs that are not through, and of the latest one: those that wait, and the others, failed ones first.
WITH shown AS (
    SELECT t.job_id
    FROM backfill_state_persistent e
    JOIN job_task t USING (execution_id)
    WHERE e.status IN ('pending', 'in_progress')
    UNION
    (SELECT job_id FROM job ORDER BY created_at DESC, job_id LIMIT 1)
), symbols AS (
    SELECT DISTINCT ON (s.symbol, s.asset_class) s.symbol, s.asset_class, s.status, s.retry_count, s.last_error,
           s.status IN ('pending', 'retry') AS waits
    FROM shown
    JOIN job_symbol_state s USING (job_id)
    JOIN job j USING (job_id)
    ORDER BY s.symbol, s.asset_class, j.created_at DESC
), placed AS (
    SELECT *, row_number() OVER (PARTITION BY waits
                                 ORDER BY status <> 'failed', retry_count DESC, symbol, asset_class) AS place
    FROM symbols
    WHERE status <> 'completed'
)
SELECT waits, symbol, asset_class, status, retry_count, last_error
FROM placed
WHERE place <= %(limit)s
ORDER BY waits, place;

-- name: page
-- Jobs from the newest on, or before an instant, by what they are, how they stand, whom they have, who asked.
SELECT j.job_id::text
FROM job j
WHERE (%(kind)s::text IS NULL OR j.kind = %(kind)s)
  AND (%(by)s::text IS NULL OR strpos(lower(j.requested_by), lower(%(by)s)) > 0)
  AND (%(symbol)s::text IS NULL
       OR EXISTS (SELECT FROM job_task t WHERE t.job_id = j.job_id AND t.symbol = %(symbol)s))
  AND (%(before)s::timestamptz IS NULL OR j.created_at < %(before)s)
  -- What goes on or went wrong is seldom: found in one pass, where counting the series of each job takes seconds
  AND (%(statuses)s::text[] IS NULL
       OR CASE WHEN j.job_id IN (SELECT t.job_id FROM backfill_state_persistent e JOIN job_task t USING (execution_id)
                                 WHERE e.status IN ('pending', 'in_progress'))
               THEN (SELECT s.status FROM job_state s WHERE s.job_id = j.job_id)
               WHEN j.job_id IN (SELECT t.job_id FROM backfill_state_persistent e JOIN job_task t USING (execution_id)
                                 WHERE e.status = 'failed')
               THEN 'failed' ELSE 'completed' END = ANY (%(statuses)s))
ORDER BY j.created_at DESC, j.job_id
LIMIT %(limit)s;

-- name: active
-- The jobs that are not through, those that run first, each with the newest of its kind first.
SELECT t.job_id::text
FROM backfill_state_persistent e
JOIN job_task t USING (execution_id)
JOIN job j USING (job_id)
WHERE e.status IN ('pending', 'in_progress')
GROUP BY t.job_id, j.created_at
ORDER BY bool_or(e.status = 'in_progress') DESC, j.created_at DESC
LIMIT %(limit)s;

-- name: log
-- What happened in a job, newest first: fetches, computations, and how its series began and ended.
WITH asked AS (
    SELECT j.job_id, j.created_at, s.completed_at FROM job j JOIN job_state s USING (job_id) WHERE j.job_id = %(job)s
), events AS (
    SELECT f.created_at AS at, 'fetch' AS what, f.symbol, f.asset_class, f.timeframe, f.source, f.success,
           f.error_details AS error, f.span_start, f.span_end, f.records_fetched AS fetched,
           f.records_inserted AS inserted, f.records_updated AS updated, f.records_quarantined AS quarantined,
           NULL::int AS features, f.source_response_time_ms AS took_ms
    FROM enrichment_fetch_log f, asked
    WHERE f.job_id = asked.job_id AND f.created_at >= asked.created_at
      AND (asked.completed_at IS NULL OR f.created_at <= asked.completed_at + interval '1 hour')
    UNION ALL
    SELECT c.created_at, 'compute', c.symbol, c.asset_class, c.timeframe, NULL, c.success, c.error_details, NULL, NULL,
           NULL, NULL, NULL, NULL, c.features_computed, c.computation_time_ms
    FROM enrichment_compute_log c, asked
    WHERE c.job_id = asked.job_id AND c.created_at >= asked.created_at
      AND (asked.completed_at IS NULL OR c.created_at <= asked.completed_at + interval '1 hour')
    UNION ALL
    SELECT t.started_at, 'begun', t.symbol, t.asset_class, t.timeframe, NULL, true, NULL, t.wanted_start, t.wanted_end,
           NULL, NULL, NULL, NULL, NULL, NULL
    FROM job_task_state t, asked
    WHERE t.job_id = asked.job_id AND t.started_at IS NOT NULL
    UNION ALL
    SELECT t.completed_at, 'ended', t.symbol, t.asset_class, t.timeframe, NULL, t.status = 'completed',
           t.error_message, NULL, NULL, NULL, t.records_inserted::int, NULL, NULL, NULL,
           1000 * extract(epoch FROM t.completed_at - t.started_at)::float8
    FROM job_task_state t, asked
    WHERE t.job_id = asked.job_id AND t.completed_at IS NOT NULL
)
SELECT *
FROM events
WHERE (%(before)s::timestamptz IS NULL OR at < %(before)s)
  AND (%(symbol)s::text IS NULL OR symbol = %(symbol)s)
  AND (NOT %(errors)s OR NOT success)
ORDER BY at DESC, symbol, timeframe, what
LIMIT %(limit)s;

-- name: books
-- What the run of a job has come to, as the log of the schedulers has it.
SELECT r.execution_id::text, r.started_at, r.completed_at, r.status, r.total_symbols, r.successful_symbols,
       r.failed_symbols, r.total_records_processed, r.error_message
FROM job j JOIN scheduler_run r ON r.execution_id = j.run_id
WHERE j.job_id = %(job)s;
