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

-- name: series
-- The series of some instruments, their newest bars, why their last run failed; tracked ones count, or all if none is.
SELECT i.id, i.exchange, t.name, s.tracked, s.tracked OR NOT bool_or(s.tracked) OVER (PARTITION BY i.id) AS counts,
       newest.time, ended.error, newest.delay
FROM series s
JOIN instrument i ON i.id = s.instrument
JOIN timeframe t ON t.code = s.timeframe
LEFT JOIN LATERAL (
    SELECT b.time, src.delay FROM bar b JOIN source src ON src.code = b.source
    WHERE b.instrument = s.instrument AND b.timeframe = s.timeframe AND NOT b.forming AND NOT b.extended
    ORDER BY b.time DESC LIMIT 1
) AS newest ON true
LEFT JOIN LATERAL (
    SELECT CASE WHEN e.status = 'failed' THEN coalesce(e.error_message, 'It failed') END AS error
    FROM backfill_state_persistent e
    WHERE (e.symbol, e.asset_class, e.timeframe) = (i.symbol, i.asset_class, t.name)
      AND e.status IN ('completed', 'failed')
    ORDER BY e.id DESC LIMIT 1
) AS ended ON true
WHERE i.id = ANY (%(instruments)s)
ORDER BY i.exchange, t.minutes, i.id;

-- name: held
-- The settled bars of some instruments together: how many, how good, what percentage is validated; reads them all.
SELECT wanted.instrument, held.bars, held.score, held.rate
FROM unnest(%(instruments)s::int[]) AS wanted (instrument)
CROSS JOIN LATERAL (
    SELECT count(*) AS bars, avg(b.quality_score) AS score,
           round(100.0 * count(*) FILTER (WHERE b.validated) / nullif(count(*), 0), 2)::float8 AS rate
    FROM bar b
    WHERE b.instrument = wanted.instrument AND NOT b.forming
) AS held;

-- name: keep
-- How some instruments stand since a run of theirs ended.
INSERT INTO enrichment_status (symbol, asset_class, status, last_enrichment_time, data_age_seconds, records_available,
    quality_score, validation_rate, error_message)
SELECT i.symbol, i.asset_class, told.status, now(), told.age, told.bars, told.score, told.rate, told.error
FROM unnest(%(instruments)s::int[], %(statuses)s::text[], %(ages)s::float8[], %(bars)s::bigint[], %(scores)s::float8[],
            %(rates)s::float8[], %(errors)s::text[])
     AS told (instrument, status, age, bars, score, rate, error)
JOIN instrument i ON i.id = told.instrument
ORDER BY i.symbol, i.asset_class
ON CONFLICT (symbol, asset_class) DO UPDATE
SET status = excluded.status, last_enrichment_time = excluded.last_enrichment_time,
    data_age_seconds = excluded.data_age_seconds, records_available = excluded.records_available,
    quality_score = excluded.quality_score, validation_rate = excluded.validation_rate,
    error_message = excluded.error_message;

-- name: kept
-- How an instrument stood when a run of its ended last, and in which timeframes it has bars.
SELECT coalesce(e.records_available, 0) AS records_available, e.quality_score, e.validation_rate,
       e.last_enrichment_time,
       array(SELECT t.name FROM series s JOIN timeframe t ON t.code = s.timeframe
             WHERE s.instrument = i.id AND s.bars > 0 ORDER BY t.minutes) AS timeframes_available
FROM instrument i
LEFT JOIN enrichment_status e ON e.symbol = i.symbol AND e.asset_class = i.asset_class
WHERE i.id = %(instrument)s;
