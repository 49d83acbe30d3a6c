-- name: bars
-- The settled bars of a series in a span that are good enough, from one end of it.
SELECT {columns}
FROM bar{features}
WHERE bar.instrument = $1::int AND bar.timeframe = $2::smallint
  AND bar.time >= $3::timestamptz AND bar.time < $4::timestamptz
  AND NOT bar.forming
  AND ($5::bool OR NOT bar.extended)
  AND (NOT $6::bool OR bar.validated)
  AND ($7::float8 <= 0 OR bar.quality_score >= $7::float8)
ORDER BY bar.time{order}
LIMIT $8::bigint;

-- name: features
-- Beside each bar, its features.
LEFT JOIN bar_feature ON bar_feature.instrument = bar.instrument AND bar_feature.timeframe = bar.timeframe
    AND bar_feature.time = bar.time;

-- name: revision
-- An instrument by its symbol, and the revision of its series; a row an instrument, no series is revision 0.
SELECT i.id, i.symbol, i.asset_class, i.exchange, coalesce(s.revision, 0) AS revision, s.revised_at
FROM instrument i
LEFT JOIN series s ON s.instrument = i.id AND s.timeframe = $2::smallint
WHERE i.symbol = $1 AND ($3::text IS NULL OR i.asset_class = $3::text)
ORDER BY i.asset_class;

-- name: totals
-- What the warehouse holds in all, out of what each series says of itself.
SELECT (SELECT count(*) FROM instrument) AS instruments, count(*) AS series,
       count(*) FILTER (WHERE tracked) AS tracked, coalesce(sum(bars), 0)::bigint AS bars,
       min(first_bar) AS first_bar, max(last_bar) AS last_bar, max(revised_at) AS revised_at
FROM series;

-- name: quality
-- The mean quality of the newest bars of each series.
SELECT s.instrument, s.timeframe, avg(newest.quality_score) AS quality_score
FROM series s
CROSS JOIN LATERAL (
    SELECT quality_score
    FROM bar
    WHERE bar.instrument = s.instrument AND bar.timeframe = s.timeframe AND NOT bar.forming
    ORDER BY bar.time DESC
    LIMIT %(newest)s
) AS newest
GROUP BY s.instrument, s.timeframe;
