-- name: resume
-- Where each series stands: how its last backfill ended, and up to which day all was read that could be.
INSERT INTO backfill_state AS known (symbol, asset_class, timeframe, backfill_job_id, status, last_successful_date,
    error_message, retry_count)
SELECT told.symbol, told.asset_class, told.timeframe, told.execution, told.status,
       CASE WHEN told.status = 'completed' THEN told.until END, told.error, (told.status = 'failed')::int
FROM unnest(%(symbols)s::text[], %(classes)s::text[], %(timeframes)s::text[], %(executions)s::uuid[],
            %(statuses)s::text[], %(untils)s::date[], %(errors)s::text[])
     AS told (symbol, asset_class, timeframe, execution, status, until, error)
ORDER BY told.symbol, told.asset_class, told.timeframe
ON CONFLICT (symbol, asset_class, timeframe) DO UPDATE
SET backfill_job_id = excluded.backfill_job_id, status = excluded.status, error_message = excluded.error_message,
    last_successful_date = greatest(known.last_successful_date, excluded.last_successful_date),
    retry_count = CASE WHEN excluded.status = 'failed' THEN known.retry_count + 1 ELSE 0 END;

-- name: newest
-- The newest settled bar of each series of some instruments, by exchange and timeframe.
SELECT i.id, i.exchange, t.name, newest.time
FROM series s
JOIN instrument i ON i.id = s.instrument
JOIN timeframe t ON t.code = s.timeframe
CROSS JOIN LATERAL (
    SELECT b.time FROM bar b
    WHERE b.instrument = s.instrument AND b.timeframe = s.timeframe AND NOT b.forming AND NOT b.extended
    ORDER BY b.time DESC LIMIT 1
) AS newest
WHERE i.id = ANY (%(instruments)s)
ORDER BY i.exchange, t.name, i.id;

-- name: judge
-- How each of some instruments stands: its settled bars together, how late its latest series is, how its last run ended.
INSERT INTO enrichment_status (symbol, asset_class, status, last_enrichment_time, data_age_seconds, records_available,
    quality_score, validation_rate, error_message)
SELECT i.symbol, i.asset_class,
       CASE WHEN told.error IS NOT NULL THEN 'error'
            WHEN told.overdue > 3 * 86400 OR held.score < 0.85 THEN 'stale'
            WHEN told.overdue >= 86400 OR held.score <= 0.9 THEN 'warning'
            ELSE 'healthy' END,
       now(), told.age, held.bars, held.score, held.rate, told.error
FROM unnest(%(instruments)s::int[], %(overdue)s::float8[], %(ages)s::float8[], %(errors)s::text[])
     AS told (instrument, overdue, age, error)
JOIN instrument i ON i.id = told.instrument
CROSS JOIN LATERAL (
    SELECT count(*) AS bars, avg(b.quality_score) AS score,
           round(100.0 * count(*) FILTER (WHERE b.validated) / nullif(count(*), 0), 2)::float8 AS rate
    FROM bar b
    WHERE b.instrument = i.id AND NOT b.forming
) AS held
ORDER BY i.symbol, i.asset_class
ON CONFLICT (symbol, asset_class) DO UPDATE
SET status = excluded.status, last_enrichment_time = excluded.last_enrichment_time,
    data_age_seconds = excluded.data_age_seconds, records_available = excluded.records_available,
    quality_score = excluded.quality_score, validation_rate = excluded.validation_rate,
    error_message = excluded.error_message;
