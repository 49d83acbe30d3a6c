-- name: fetches
-- The fetches since an instant: how many, how many of them succeeded, how long an answer took; the latest quota told.
SELECT count(*) AS total_fetches, count(*) FILTER (WHERE success) AS successful,
       coalesce(round(100.0 * count(*) FILTER (WHERE success) / nullif(count(*), 0), 2), 0)::float8 AS success_rate,
       avg(source_response_time_ms) AS avg_response_time_ms,
       (SELECT q.api_quota_remaining FROM enrichment_fetch_log q
        WHERE q.api_quota_remaining IS NOT NULL ORDER BY q.id DESC LIMIT 1) AS api_quota_remaining
FROM enrichment_fetch_log
WHERE created_at > %(since)s;

-- name: computations
-- The computations of features since an instant: how many, how many of them succeeded, how long one took.
SELECT count(*) AS total_computations, count(*) FILTER (WHERE success) AS successful,
       coalesce(round(100.0 * count(*) FILTER (WHERE success) / nullif(count(*), 0), 2), 0)::float8 AS success_rate,
       avg(computation_time_ms) AS avg_computation_time_ms
FROM enrichment_compute_log
WHERE created_at > %(since)s;

-- name: quality
-- How many instruments are tracked, and how good their days were since one of them, weighted by records.
SELECT (SELECT count(DISTINCT s.instrument) FROM series s JOIN instrument i ON i.id = s.instrument
        WHERE s.tracked AND i.active) AS symbols_tracked,
       round(100.0 * sum(validated_records) / nullif(sum(total_records), 0), 2)::float8 AS avg_validation_rate,
       round((sum(avg_quality_score * total_records)
              / nullif(sum(total_records) FILTER (WHERE avg_quality_score IS NOT NULL), 0))::numeric, 4)::float8
           AS avg_quality_score
FROM data_quality_metrics
WHERE metric_date >= %(since)s;

-- name: progress
-- How the latest execution of each series stands.
SELECT count(*) FILTER (WHERE status = 'in_progress') AS in_progress,
       count(*) FILTER (WHERE status = 'completed') AS completed, count(*) FILTER (WHERE status = 'failed') AS failed,
       count(*) FILTER (WHERE status = 'pending') AS pending
FROM (
    SELECT DISTINCT ON (symbol, asset_class, timeframe) status
    FROM backfill_state_persistent
    ORDER BY symbol, asset_class, timeframe, id DESC
) AS latest;
