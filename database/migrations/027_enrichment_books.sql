-- What the enrichment endpoints tell of jobs, symbol by symbol, and the indexes by which they find it.

ALTER TABLE backfill_state_persistent
    ADD COLUMN IF NOT EXISTS records_updated bigint NOT NULL DEFAULT 0;

-- The latest execution of a series.
CREATE INDEX IF NOT EXISTS backfill_state_persistent_series
    ON backfill_state_persistent (symbol, asset_class, timeframe, id DESC);

-- The latest quota that a vendor told.
CREATE INDEX IF NOT EXISTS enrichment_fetch_quota
    ON enrichment_fetch_log (id DESC) WHERE api_quota_remaining IS NOT NULL;

-- A symbol of a job, as its series stand together: it is through when all of them are, and failed when one is.
CREATE OR REPLACE VIEW job_symbol_state AS
SELECT t.job_id, t.symbol, t.asset_class,
       CASE WHEN bool_or(e.status = 'in_progress') THEN 'in_progress'
            WHEN bool_or(e.status = 'pending' AND e.retry_count > 0) THEN 'retry'
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
GROUP BY t.job_id, t.symbol, t.asset_class;
