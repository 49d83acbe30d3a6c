-- name: series
-- The series of some instruments with their size, by class, exchange and number.
SELECT i.id, i.symbol, i.asset_class, i.exchange, s.timeframe, s.bars
FROM series s
JOIN instrument i ON i.id = s.instrument
WHERE i.id = ANY (%(instruments)s)
ORDER BY i.asset_class, i.exchange, i.id, s.timeframe;

-- name: bars
-- All bars of some instruments in a timeframe, by instrument and time: as they lie in the key, so that nothing is sorted.
SELECT bar.instrument, bar.time, bar.open, bar.high, bar.low, bar.close, bar.volume, bar.quality_score,
       -- What is true of a bar, in one number: reading a million of them costs a fifth of a second a column
       bar.extended::int + 2 * bar.forming::int + 4 * bar.validated::int AS marks
FROM unnest($1::int[]) AS wanted (instrument)
CROSS JOIN LATERAL (
    SELECT * FROM bar
    WHERE bar.instrument = wanted.instrument AND bar.timeframe = $2::smallint
    ORDER BY bar.time
) AS bar;

-- name: told
-- What was asked of any source for some series, and what came of it.
SELECT timeframe, instrument, span_start, span_end, state
FROM coverage
WHERE instrument = ANY (%(instruments)s);

-- name: quarantined
-- The times of the rows in quarantine of some series.
SELECT timeframe, instrument, time
FROM quarantine
WHERE instrument = ANY (%(instruments)s) AND status = 'quarantined' AND time IS NOT NULL;

-- name: newest
-- The newest settled bar of some series, and how long after its close its source has a bar; other tools name none.
SELECT s.timeframe, s.instrument, newest.time, newest.delay
FROM series s
CROSS JOIN LATERAL (
    SELECT b.time, coalesce(src.delay, '15 minutes') AS delay
    FROM bar b LEFT JOIN source src ON src.code = b.source
    WHERE b.instrument = s.instrument AND b.timeframe = s.timeframe AND NOT b.forming AND NOT b.extended
    ORDER BY b.time DESC LIMIT 1
) AS newest
WHERE s.instrument = ANY (%(instruments)s)
ORDER BY s.timeframe, s.instrument;

-- name: causes
-- When something is wrong with bars of some instruments; neither a real move nor a quiet time is, nor is being late.
SELECT instrument, timeframe_code, data_point_time, anomaly_type = 'gap' AS is_gap
FROM data_anomalies
WHERE instrument = ANY (%(instruments)s) AND resolution_status <> 'resolved' AND data_point_time IS NOT NULL
  AND anomaly_type NOT IN ('real_move', 'no_trade', 'stale');

-- name: known_days
-- The daily figures of some instruments as they were written down.
SELECT i.id AS instrument, m.metric_date AS date, m.total_records, m.validated_records, m.validation_rate,
       m.gaps_detected, m.anomalies_detected, m.avg_quality_score, m.data_completeness
FROM data_quality_metrics m
JOIN instrument i ON i.symbol = m.symbol AND i.asset_class = m.asset_class
WHERE i.id = ANY ($1::int[]);

-- name: keep_days
-- Writes down daily figures, in the place of those that were known.
INSERT INTO data_quality_metrics (symbol, asset_class, metric_date, total_records, validated_records, validation_rate,
                                  gaps_detected, anomalies_detected, avg_quality_score, data_completeness)
SELECT i.symbol, i.asset_class, day.date, day.total, day.validated, day.rate, day.gaps, day.anomalies, day.quality,
       day.completeness
FROM unnest(%(instruments)s::int[], %(dates)s::date[], %(totals)s::int[], %(validated)s::int[], %(rates)s::float8[],
            %(gaps)s::int[], %(anomalies)s::int[], %(qualities)s::float8[], %(completeness)s::float8[])
     AS day (instrument, date, total, validated, rate, gaps, anomalies, quality, completeness)
JOIN instrument i ON i.id = day.instrument
ON CONFLICT (symbol, asset_class, metric_date) DO UPDATE
SET total_records = excluded.total_records, validated_records = excluded.validated_records,
    validation_rate = excluded.validation_rate, gaps_detected = excluded.gaps_detected,
    anomalies_detected = excluded.anomalies_detected, avg_quality_score = excluded.avg_quality_score,
    data_completeness = excluded.data_completeness;

-- name: drop_days
-- Takes away the figures of days on which nothing is expected any more.
DELETE FROM data_quality_metrics m
USING instrument i, unnest(%(instruments)s::int[], %(dates)s::date[]) AS gone (instrument, date)
WHERE i.id = gone.instrument AND m.symbol = i.symbol AND m.asset_class = i.asset_class AND m.metric_date = gone.date;

-- name: days
-- The daily figures of an instrument from a day on, newest first.
SELECT metric_date AS date, total_records, validated_records, validation_rate, gaps_detected, anomalies_detected,
       avg_quality_score, data_completeness
FROM data_quality_metrics
WHERE symbol = %(symbol)s AND asset_class = %(asset_class)s AND metric_date >= %(since)s
ORDER BY metric_date DESC;

-- name: fetches
-- The latest fetches of an instrument, newest first.
SELECT source, timeframe, records_fetched, records_inserted, source_response_time_ms AS response_time_ms, success,
       quality_score, compared_with, compared_score, error_class, created_at AS timestamp
FROM enrichment_fetch_log
WHERE symbol = %(symbol)s AND asset_class = %(asset_class)s
ORDER BY created_at DESC, id DESC
LIMIT %(limit)s;

-- name: overview
-- Each instrument with its days put together, and with how much of everything is wrong by now.
SELECT i.symbol, i.asset_class, day.*, fault.*
FROM instrument i
CROSS JOIN LATERAL (
    SELECT count(*) AS days, sum(total_records)::bigint AS records, sum(validated_records)::bigint AS validated,
           sum(avg_quality_score * total_records)
               / nullif(sum(total_records) FILTER (WHERE avg_quality_score IS NOT NULL), 0) AS score,
           avg(data_completeness) AS completeness
    FROM data_quality_metrics m
    WHERE m.symbol = i.symbol AND m.asset_class = i.asset_class
      AND (%(since)s::date IS NULL OR m.metric_date >= %(since)s)
) AS day
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE anomaly_type = 'gap') AS gaps,
           count(*) FILTER (WHERE anomaly_type = 'outlier') AS outliers,
           count(*) FILTER (WHERE anomaly_type = 'duplicate') AS duplicates,
           count(*) FILTER (WHERE anomaly_type = 'stale') AS stale,
           count(*) FILTER (WHERE anomaly_type NOT IN ('gap', 'outlier', 'duplicate', 'stale')) AS others
    FROM data_anomalies a
    WHERE a.symbol = i.symbol AND a.asset_class = i.asset_class AND a.resolution_status <> 'resolved'
      AND a.anomaly_type NOT IN ('real_move', 'no_trade')
      AND (%(since)s::date IS NULL OR a.data_point_time IS NULL OR a.data_point_time >= %(since)s)
) AS fault
WHERE %(instrument)s::int IS NULL OR i.id = %(instrument)s
ORDER BY i.symbol, i.asset_class;

-- name: corrected
-- When the bars of a series are that were corrected, from an instant on.
SELECT DISTINCT "timestamp"
FROM data_corrections
WHERE instrument = %(instrument)s AND timeframe_code = %(timeframe)s AND "timestamp" >= %(since)s
ORDER BY 1;

-- name: scores
-- A page of series with the quality of their newest bars, its course in parts, and the days of the instrument.
WITH every AS (
    SELECT i.id AS instrument, s.timeframe AS code, i.symbol, i.asset_class, i.exchange, t.name AS timeframe, s.bars,
           s.last_bar, count(*) OVER () AS found
    FROM series s
    JOIN instrument i ON i.id = s.instrument
    JOIN timeframe t ON t.code = s.timeframe
    WHERE s.bars > 0
      AND (%(text)s::text IS NULL OR strpos(i.symbol, upper(%(text)s)) > 0)
      AND (%(timeframe)s::text IS NULL OR t.name = %(timeframe)s)
      AND (%(asset_class)s::text IS NULL OR i.asset_class = %(asset_class)s)
    ORDER BY i.symbol, i.asset_class, s.timeframe
    LIMIT %(limit)s OFFSET %(offset)s
)
SELECT every.*, newest.score, newest.worst, newest.course, wrong.faults, day.validation_rate, day.completeness
FROM every
CROSS JOIN LATERAL (
    SELECT sum(part.score * part.bars) / sum(part.bars) AS score, min(part.worst) AS worst,
           array_agg(part.score ORDER BY part.number) AS course
    FROM (
        SELECT number, avg(quality_score) AS score, min(quality_score) AS worst, count(*) AS bars
        FROM (
            SELECT quality_score, ntile(%(parts)s) OVER (ORDER BY time) AS number
            FROM (
                SELECT quality_score, time
                FROM bar
                WHERE bar.instrument = every.instrument AND bar.timeframe = every.code AND NOT bar.forming
                ORDER BY bar.time DESC
                LIMIT %(newest)s
            ) AS newest
            WHERE quality_score IS NOT NULL
        ) AS placed
        GROUP BY number
    ) AS part
) AS newest
CROSS JOIN LATERAL (
    SELECT count(*) AS faults
    FROM data_anomalies a
    WHERE a.instrument = every.instrument AND a.timeframe_code = every.code AND a.resolution_status <> 'resolved'
      AND a.anomaly_type NOT IN ('real_move', 'no_trade')
) AS wrong
CROSS JOIN LATERAL (
    SELECT sum(m.validated_records)::float8 / nullif(sum(m.total_records), 0) AS validation_rate,
           avg(m.data_completeness) AS completeness
    FROM data_quality_metrics m
    WHERE m.symbol = every.symbol AND m.asset_class = every.asset_class AND m.metric_date > %(since)s
) AS day
ORDER BY every.symbol, every.asset_class, every.code;

-- name: trend
-- The days since one of them, over all instruments: how much came, how good it was, what was wrong; oldest first.
SELECT metric_date AS date, sum(total_records)::bigint AS records,
       sum(validated_records)::float8 / nullif(sum(total_records), 0) AS validated,
       sum(avg_quality_score * total_records)
           / nullif(sum(total_records) FILTER (WHERE avg_quality_score IS NOT NULL), 0) AS score,
       avg(data_completeness) AS completeness, sum(gaps_detected)::bigint AS gaps,
       sum(anomalies_detected)::bigint AS anomalies
FROM data_quality_metrics
WHERE metric_date >= %(since)s
GROUP BY metric_date
ORDER BY metric_date;
