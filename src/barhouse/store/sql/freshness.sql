-- name: update
-- Writes down how fresh the features of a series are.
INSERT INTO feature_freshness (symbol, asset_class, timeframe, last_computed_at, data_point_count, staleness_seconds,
    status)
VALUES (%(symbol)s, %(asset_class)s, %(timeframe)s, %(computed)s, %(count)s, %(staleness)s, %(status)s)
ON CONFLICT (symbol, asset_class, timeframe) DO UPDATE
SET last_computed_at = excluded.last_computed_at, data_point_count = excluded.data_point_count,
    staleness_seconds = excluded.staleness_seconds, status = excluded.status;

-- name: monitored
-- All series whose features are watched over, or those of some instruments, with the newest bar in the features.
WITH watched AS (
    SELECT symbol, asset_class, timeframe FROM feature_freshness
    UNION
    SELECT i.symbol, i.asset_class, t.name
    FROM series s JOIN instrument i ON i.id = s.instrument JOIN timeframe t ON t.code = s.timeframe
    WHERE s.tracked
)
SELECT i.id, symbol, asset_class, coalesce(i.exchange, ''), timeframe, f.last_computed_at,
       coalesce(f.data_point_count, 0), f.staleness_seconds, f.updated_at, newest.time,
       coalesce(bar.delay, interval '15 minutes')
FROM watched
LEFT JOIN feature_freshness f USING (symbol, asset_class, timeframe)
LEFT JOIN instrument i USING (symbol, asset_class)
LEFT JOIN timeframe t ON t.name = timeframe
LEFT JOIN LATERAL (
    SELECT max(time) AS time FROM bar_feature b WHERE b.instrument = i.id AND b.timeframe = t.code
) AS newest ON true
LEFT JOIN LATERAL (
    SELECT src.delay FROM bar b JOIN source src ON src.code = b.source
    WHERE b.instrument = i.id AND b.timeframe = t.code AND b.time = newest.time
) AS bar ON true
WHERE coalesce(i.active, true) AND (%(instruments)s::int[] IS NULL OR i.id = ANY (%(instruments)s))
ORDER BY i.exchange, timeframe, symbol, asset_class;

-- name: settle
-- Writes down how fresh features are by the bars, unless they were computed anew meanwhile.
UPDATE feature_freshness f
SET staleness_seconds = told.staleness, status = told.status
FROM unnest(%(symbols)s::text[], %(classes)s::text[], %(timeframes)s::text[], %(computed)s::timestamptz[],
            %(stalenesses)s::float8[], %(statuses)s::text[])
     AS told (symbol, asset_class, timeframe, computed, staleness, status)
WHERE (f.symbol, f.asset_class, f.timeframe) = (told.symbol, told.asset_class, told.timeframe)
  AND f.last_computed_at = told.computed;
