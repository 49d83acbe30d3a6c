-- name: remove
-- Takes features out, stretch by stretch, both ends included.
DELETE FROM bar_feature
USING unnest(%(instruments)s::int[], %(firsts)s::timestamptz[], %(lasts)s::timestamptz[])
      AS gone (instrument, first, last)
WHERE bar_feature.instrument = gone.instrument AND bar_feature.timeframe = %(timeframe)s
  AND bar_feature.time BETWEEN gone.first AND gone.last;
