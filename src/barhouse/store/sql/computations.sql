-- name: log
-- Writes down what came of computing features, under the first job that wanted it.
INSERT INTO enrichment_compute_log (symbol, asset_class, timeframe, features_computed, missing_fields,
    computation_time_ms, success, error_details, job_id)
SELECT symbol, asset_class, timeframe, computed, string_to_array(nullif(missing, ''), ','), milliseconds, error IS NULL,
       error, (SELECT j.job_id FROM job_task t JOIN job j USING (job_id)
               WHERE t.execution_id = told.execution ORDER BY j.created_at, j.job_id LIMIT 1)
FROM unnest(%(symbols)s::text[], %(classes)s::text[], %(timeframes)s::text[], %(computed)s::int[], %(missing)s::text[],
            %(milliseconds)s::float8[], %(errors)s::text[], %(executions)s::uuid[])
     AS told (symbol, asset_class, timeframe, computed, missing, milliseconds, error, execution);
