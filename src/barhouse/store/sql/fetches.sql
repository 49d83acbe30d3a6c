-- name: reserve
-- Numbers for so many fetches, before their bars are written.
SELECT nextval(pg_get_serial_sequence('enrichment_fetch_log', 'id')) FROM generate_series(1, %(count)s);

-- name: log
-- Writes down what came of some fetches, each under the first job that wanted it.
INSERT INTO enrichment_fetch_log (id, symbol, asset_class, timeframe, source, span_start, span_end, calls, records_fetched,
    records_inserted, records_updated, records_unchanged, records_quarantined, success, source_response_time_ms,
    api_quota_remaining, error_details, error_class, quality_score, compared_with, compared_score, stamped_at, job_id)
OVERRIDING SYSTEM VALUE
VALUES (%(id)s, %(symbol)s, %(asset_class)s, %(timeframe)s, %(source)s, %(start)s, %(end)s, %(calls)s, %(fetched)s,
        %(inserted)s, %(updated)s, %(unchanged)s, %(quarantined)s, %(success)s, %(response_ms)s, %(quota)s, %(error)s,
        %(error_class)s, %(quality)s, %(compared_with)s, %(compared_score)s, %(stamped_at)s,
        (SELECT j.job_id FROM job_task t JOIN job j USING (job_id)
         WHERE t.execution_id = %(execution)s ORDER BY j.created_at, j.job_id LIMIT 1));

-- name: by_source
-- How each source fared since an instant: how many fetches, how many failed, how long answers took, the latest error.
SELECT told.source, told.fetches, told.failed, told.bars, told.ms[1] AS median_ms, told.ms[2] AS p95_ms, told.last_at,
       told.failed_at, latest.error_details AS error
FROM (
    SELECT source, count(*) AS fetches, count(*) FILTER (WHERE NOT success) AS failed, sum(records_fetched) AS bars,
           percentile_cont('{0.5,0.95}'::float8[]) WITHIN GROUP (ORDER BY source_response_time_ms) AS ms,
           max(created_at) AS last_at, max(created_at) FILTER (WHERE NOT success) AS failed_at,
           max(id) FILTER (WHERE NOT success) AS latest
    FROM enrichment_fetch_log
    WHERE created_at > %(since)s
    GROUP BY source
) AS told
LEFT JOIN enrichment_fetch_log latest ON latest.id = told.latest
ORDER BY told.source;
