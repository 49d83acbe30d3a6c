-- name: standings
-- How some jobs stand.
SELECT job_id::text, kind, requested_by, status, created_at, started_at, completed_at, total, queued, running,
       successful, failed, retried, records_inserted, bars_done, bars_expected
FROM job_state
WHERE job_id = ANY (%(jobs)s::uuid[]);

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
