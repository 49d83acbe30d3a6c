-- name: leave
-- Takes bars out of the table, and keeps each whole with how long it was there.
WITH gone AS (
    DELETE FROM bar
    USING unnest(%(instruments)s::int[], %(times)s::timestamptz[]) AS leaving (instrument, time)
    WHERE bar.instrument = leaving.instrument AND bar.timeframe = %(timeframe)s AND bar.time = leaving.time
    RETURNING bar.*
), came AS (
    DELETE FROM bar_stay
    USING gone
    WHERE bar_stay.instrument = gone.instrument AND bar_stay.timeframe = gone.timeframe AND bar_stay.time = gone.time
      AND bar_stay.gone_at IS NULL
    RETURNING bar_stay.instrument, bar_stay.time, bar_stay.came_at, bar_stay.came_by
)
INSERT INTO bar_stay (instrument, timeframe, time, came_at, came_by, gone_at, gone_by, record)
SELECT gone.instrument, gone.timeframe, gone.time, greatest(came.came_at, f.stamped_at, '-infinity'), came.came_by,
       %(at)s, %(cause)s, to_jsonb(gone)
FROM gone
LEFT JOIN came ON came.instrument = gone.instrument AND came.time = gone.time
LEFT JOIN enrichment_fetch_log f ON f.id = gone.fetch_id;

-- name: come
-- Notes since when bars are there that no fetch brought.
INSERT INTO bar_stay (instrument, timeframe, time, came_at, came_by)
SELECT coming.instrument, %(timeframe)s, coming.time, %(at)s, %(cause)s
FROM unnest(%(instruments)s::int[], %(times)s::timestamptz[]) AS coming (instrument, time);

-- name: moment
-- What the clock of the database says.
SELECT clock_timestamp();

-- name: causes
-- Why bars of a series came or left after an instant, the last of each.
SELECT DISTINCT ON (time) time, came_by, gone_by
FROM bar_stay
WHERE instrument = %(instrument)s AND timeframe = %(timeframe)s AND (came_at > %(since)s OR gone_at > %(since)s)
ORDER BY time, gone_at DESC NULLS FIRST;
