-- A symbol whose series waits to be tried again, or just is, stands as `retry`: its execution is kept in progress with
-- what went wrong, since the worker that has it does not let it go.

CREATE OR REPLACE VIEW job_symbol_state AS
SELECT t.job_id, t.symbol, t.asset_class,
       CASE WHEN bool_or(e.status = 'in_progress' AND NOT again.so) THEN 'in_progress'
            WHEN bool_or(again.so) THEN 'retry'
            WHEN bool_and(e.status = 'pending') THEN 'pending'
            WHEN bool_or(e.status = 'pending') THEN 'in_progress'
            WHEN bool_or(e.status = 'failed') THEN 'failed'
            ELSE 'completed' END AS status,
       sum(e.retry_count)::bigint AS retry_count,
       (array_agg(e.error_message ORDER BY e.completed_at DESC NULLS LAST, e.id DESC)
           FILTER (WHERE e.error_message IS NOT NULL))[1] AS last_error,
       min(e.started_at) AS started_at,
       CASE WHEN bool_and(e.status IN ('completed', 'failed')) THEN max(e.completed_at) END AS completed_at,
       sum(e.records_inserted)::bigint AS records_inserted, sum(e.records_updated)::bigint AS records_updated
FROM job_task t
JOIN backfill_state_persistent e ON e.execution_id = t.execution_id
CROSS JOIN LATERAL (SELECT e.retry_count > 0 AND (e.status = 'pending'
                           OR e.status = 'in_progress' AND e.error_message IS NOT NULL) AS so) AS again
GROUP BY t.job_id, t.symbol, t.asset_class;
