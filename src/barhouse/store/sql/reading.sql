-- name: bars
-- The bars of a series in a span that are good enough, from one end of it.
SELECT {columns}
FROM bar{features}
WHERE bar.instrument = $1::int AND bar.timeframe = $2::smallint
  AND bar.time >= $3::timestamptz AND bar.time < $4::timestamptz{settled}
  AND ($5::bool OR NOT bar.extended)
  AND (NOT $6::bool OR bar.validated)
  AND ($7::float8 <= 0 OR bar.quality_score >= $7::float8)
ORDER BY bar.time{order}
LIMIT $8::bigint;

-- name: settled
-- Without the one that is still forming.
  AND NOT bar.forming;

-- name: features
-- Beside each bar, its features.
LEFT JOIN bar_feature ON bar_feature.instrument = bar.instrument AND bar_feature.timeframe = bar.timeframe
    AND bar_feature.time = bar.time;

-- name: closes
-- The regular, settled closes of a series, oldest first.
SELECT time, close
FROM bar
WHERE bar.instrument = $1::int AND bar.timeframe = $2::smallint AND NOT bar.forming AND NOT bar.extended
ORDER BY bar.time;

-- name: revision
-- An instrument by its symbol, and the revision of its series; a row an instrument, no series is revision 0.
SELECT i.id, i.symbol, i.asset_class, i.exchange, coalesce(s.revision, 0) AS revision, s.revised_at
FROM instrument i
LEFT JOIN series s ON s.instrument = i.id AND s.timeframe = $2::smallint
WHERE i.symbol = $1 AND ($3::text IS NULL OR i.asset_class = $3::text)
ORDER BY i.asset_class;

-- name: totals
-- What the warehouse holds in all, out of what each series says of itself, and what came in within a day.
SELECT (SELECT count(*) FROM instrument) AS instruments, held.*,
       (SELECT count(*) FROM quarantine WHERE status = 'quarantined') AS quarantined, lately.*
FROM (
    SELECT count(*) AS series, count(*) FILTER (WHERE tracked) AS tracked, coalesce(sum(bars), 0)::bigint AS bars,
           min(first_bar) AS first_bar, max(last_bar) AS last_bar, max(revised_at) AS revised_at
    FROM series
) AS held
CROSS JOIN (
    SELECT count(*) FILTER (WHERE calls > 0) AS fetches, count(*) FILTER (WHERE NOT success) AS failed_fetches
    FROM enrichment_fetch_log
    WHERE created_at > now() - interval '1 day'
) AS lately;

-- name: described
-- Each series with what is stored of it, and the mean quality of its newest bars.
SELECT i.symbol, i.asset_class, i.exchange, i.active, t.name AS timeframe, s.tracked, s.since, s.bars,
       s.first_bar, s.last_bar, s.revision, s.revised_at, newest.quality_score
FROM series s
JOIN instrument i ON i.id = s.instrument
JOIN timeframe t ON t.code = s.timeframe
CROSS JOIN LATERAL (
    SELECT avg(quality_score) AS quality_score
    FROM (
        SELECT quality_score
        FROM bar
        WHERE bar.instrument = s.instrument AND bar.timeframe = s.timeframe AND NOT bar.forming
        ORDER BY bar.time DESC
        LIMIT %(newest)s
    ) AS bar
) AS newest
ORDER BY i.symbol, i.asset_class, s.timeframe;

-- name: fetches
-- The latest fetches of a series, newest first.
SELECT created_at, source, span_start, span_end, records_fetched, records_inserted, records_updated,
       records_unchanged, records_quarantined, success, source_response_time_ms, error_details
FROM enrichment_fetch_log
WHERE symbol = %(symbol)s AND asset_class = %(asset_class)s AND timeframe = %(timeframe)s
ORDER BY created_at DESC, id DESC
LIMIT %(limit)s;

-- name: times
-- When a series has regular, settled bars in a span, oldest first.
SELECT time
FROM bar
WHERE bar.instrument = $1::int AND bar.timeframe = $2::smallint AND time >= $3::timestamptz AND time < $4::timestamptz
  AND NOT bar.forming AND NOT bar.extended
ORDER BY bar.time;
