-- name: strays
-- The bars that are not stamped with a whole multiple of their width, counted from a Monday.
SELECT instrument, time
FROM bar
WHERE instrument = ANY ($1::int[]) AND timeframe = $2::smallint AND bar_is_stray(timeframe, time);

-- name: around
-- The bars in some stretches, both ends included, in the columns that tell which one of a slot stays.
-- OFFSET 0 keeps each stretch a walk of the index: else thousands of one series are merged with all of its bars.
SELECT bar.instrument, bar.time, bar.validated, bar.quality_score, bar.fetch_id
FROM unnest($1::int[], $2::timestamptz[], $3::timestamptz[]) AS wanted (instrument, first, last)
CROSS JOIN LATERAL (
    SELECT * FROM bar
    WHERE bar.instrument = wanted.instrument AND bar.timeframe = $4::smallint
      AND bar.time BETWEEN wanted.first AND wanted.last
    OFFSET 0
) AS bar;

-- name: keep
-- Keeps whole what is taken out of some slots at an instant, and what stays in each. Arrays, since those of jsonb are
-- made piece by piece, which takes twice as long.
INSERT INTO duplicate_records_log (symbol, asset_class, timeframe, instrument, timeframe_code, candle_time,
    duplicate_count, duplicate_ids, removed_records, survivor, run_id, stamped_at, cleaned_by)
SELECT i.symbol, i.asset_class, t.name, i.id, t.code, told.slot,
       count(*) FILTER (WHERE NOT told.keeps),
       array_agg(bar_id(bar.instrument, bar.timeframe, bar.time) ORDER BY bar.time) FILTER (WHERE NOT told.keeps),
       to_jsonb(array_agg(bar ORDER BY bar.time) FILTER (WHERE NOT told.keeps)),
       to_jsonb((array_agg(bar) FILTER (WHERE told.keeps))[1]),
       %(run)s, %(at)s, %(by)s
FROM unnest(%(instruments)s::int[], %(slots)s::timestamptz[], %(times)s::timestamptz[], %(keeps)s::boolean[])
     AS told (instrument, slot, time, keeps)
JOIN bar ON bar.instrument = told.instrument AND bar.timeframe = %(timeframe)s AND bar.time = told.time
JOIN instrument i ON i.id = bar.instrument
JOIN timeframe t ON t.code = bar.timeframe
GROUP BY i.id, t.code, told.slot;

-- name: listed
-- What was cleaned, latest first, behind a number that was shown.
SELECT id, symbol, asset_class, timeframe, candle_time, duplicate_count, duplicate_ids, removed_records, survivor,
       run_id::text AS run_id, stamped_at, cleaned_by, restored_at, restored_by, created_at
FROM duplicate_records_log
WHERE (%(symbol)s::text IS NULL OR symbol = %(symbol)s)
  AND (%(asset_class)s::text IS NULL OR asset_class = %(asset_class)s)
  AND (%(timeframe)s::text IS NULL OR timeframe = %(timeframe)s)
  AND (%(before)s::bigint IS NULL OR id < %(before)s)
ORDER BY id DESC
LIMIT %(limit)s;

-- name: cleaned
-- The series and the slot of one cleanup, where its survivor stood before, and when it was undone.
SELECT i.id, i.symbol, i.asset_class, i.exchange, d.timeframe_code, d.candle_time,
       (d.survivor ->> 'time')::timestamptz AS stood, d.restored_at
FROM duplicate_records_log d
JOIN instrument i ON i.id = d.instrument
WHERE d.id = %(id)s;

-- name: rows
-- The bars that a cleanup took out, and the one that stayed, as they were before.
SELECT (jsonb_populate_record(NULL::bar, kept.record)).*
FROM duplicate_records_log d, jsonb_array_elements(d.removed_records || d.survivor) AS kept (record)
WHERE d.id = $1::bigint;

-- name: undone
-- A cleanup is undone from an instant on.
UPDATE duplicate_records_log SET restored_at = %(at)s, restored_by = %(by)s WHERE id = %(id)s;
