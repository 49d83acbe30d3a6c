-- name: remove
-- Takes features out, stretch by stretch, both ends included; so many rows are `added` by the caller in their place.
WITH given AS (
    SELECT * FROM unnest(%(instruments)s::int[], %(firsts)s::timestamptz[], %(lasts)s::timestamptz[],
                         %(added)s::bigint[]) AS given (instrument, first, last, added)
), gone AS (
    DELETE FROM bar_feature USING given
    WHERE bar_feature.instrument = given.instrument AND bar_feature.timeframe = %(timeframe)s
      AND bar_feature.time BETWEEN given.first AND given.last
    RETURNING bar_feature.instrument
), more AS (
    SELECT instrument, sum(rows) AS rows
    FROM (SELECT instrument, added AS rows FROM given UNION ALL SELECT instrument, -1 FROM gone) AS changes
    GROUP BY instrument
)
INSERT INTO feature_freshness AS known (symbol, asset_class, timeframe, last_computed_at, data_point_count, status)
SELECT i.symbol, i.asset_class, t.name, clock_timestamp(), more.rows, 'fresh'
FROM more
JOIN instrument i ON i.id = more.instrument
JOIN timeframe t ON t.code = %(timeframe)s
ORDER BY i.symbol, i.asset_class
ON CONFLICT (symbol, asset_class, timeframe) DO UPDATE
SET last_computed_at = excluded.last_computed_at, staleness_seconds = NULL,
    data_point_count = greatest(known.data_point_count + excluded.data_point_count, 0),
    status = CASE WHEN known.data_point_count + excluded.data_point_count > 0 THEN 'fresh' ELSE 'missing' END;
