-- name: write
-- Writes down what was restated, a row a field.
INSERT INTO data_corrections (original_record_id, instrument, timeframe_code, symbol, asset_class, timeframe, "timestamp",
    field_corrected, old_value, new_value, source, reason, corrected_by, correction_timestamp, note, fetch_id)
SELECT bar_id(told.instrument, %(timeframe)s::smallint, told.time), told.instrument, %(timeframe)s, i.symbol,
       i.asset_class, t.name, told.time, told.field, told.old, told.new, told.source, %(reason)s, %(by)s, %(at)s,
       %(note)s, told.fetch_id
FROM unnest(%(instruments)s::int[], %(times)s::timestamptz[], %(fields)s::text[], %(olds)s::float8[],
            %(news)s::float8[], %(sources)s::smallint[], %(fetches)s::bigint[])
     AS told (instrument, time, field, old, new, source, fetch_id)
JOIN instrument i ON i.id = told.instrument
JOIN timeframe t ON t.code = %(timeframe)s;

-- name: overruled
-- The fields that were last corrected by hand, and what whose bar had said before the first of those corrections.
SELECT DISTINCT ON (instrument, "timestamp", field_corrected)
       instrument, "timestamp", field_corrected, old_value, source
FROM data_corrections AS by_hand
WHERE instrument = ANY (%(instruments)s) AND timeframe_code = %(timeframe)s AND reason <> 'source_updated'
  AND NOT EXISTS (
      SELECT FROM data_corrections AS later
      WHERE later.instrument = by_hand.instrument AND later.timeframe_code = by_hand.timeframe_code
        AND later."timestamp" = by_hand."timestamp" AND later.field_corrected = by_hand.field_corrected
        AND later.reason = 'source_updated' AND later.id > by_hand.id
  )
ORDER BY instrument, "timestamp", field_corrected, id;

-- name: listed
-- The corrections of an instrument, or of all, within some time, the latest first; sources by their names.
SELECT c.id, c.original_record_id, c.symbol, c.asset_class, c.timeframe, c."timestamp", c.field_corrected,
       CASE c.field_corrected WHEN 'source' THEN to_jsonb(was.name) ELSE to_jsonb(c.old_value) END AS old_value,
       CASE c.field_corrected WHEN 'source' THEN to_jsonb(is_now.name) ELSE to_jsonb(c.new_value) END AS new_value,
       c.reason, c.corrected_by, c.correction_timestamp, whose.name AS source, c.fetch_id, c.note
FROM data_corrections c
LEFT JOIN source whose ON whose.code = c.source
LEFT JOIN source was ON c.field_corrected = 'source' AND was.code = c.old_value
LEFT JOIN source is_now ON c.field_corrected = 'source' AND is_now.code = c.new_value
WHERE (%(instrument)s::int IS NULL OR c.instrument = %(instrument)s)
  AND (%(timeframe)s::int IS NULL OR c.timeframe_code = %(timeframe)s)
  AND c.correction_timestamp >= %(since)s AND c.correction_timestamp < %(until)s
  AND (%(field)s::text IS NULL OR c.field_corrected = %(field)s)
  AND (%(reason)s::text IS NULL OR c.reason = %(reason)s)
  AND (%(behind)s::bigint IS NULL OR (c.correction_timestamp, c.id) < (
      SELECT correction_timestamp, id FROM data_corrections WHERE id = %(behind)s
  ))
ORDER BY c.correction_timestamp DESC, c.id DESC
LIMIT %(limit)s;

-- name: latest
-- Of each field of a series that was corrected after an instant, the last correction.
SELECT DISTINCT ON ("timestamp", field_corrected) "timestamp", field_corrected, corrected_by, note
FROM data_corrections
WHERE instrument = %(instrument)s AND timeframe_code = %(timeframe)s AND correction_timestamp > %(since)s
ORDER BY "timestamp", field_corrected, correction_timestamp DESC, id DESC;

-- name: one
-- One correction, and whether a later one of the same field of the same bar stands before it.
SELECT c.id, c.symbol, c.asset_class, c.timeframe, c."timestamp", c.field_corrected, c.old_value, c.new_value,
       EXISTS (
           SELECT FROM data_corrections later
           WHERE later.instrument = c.instrument AND later.timeframe_code = c.timeframe_code
             AND later."timestamp" = c."timestamp" AND later.field_corrected = c.field_corrected AND later.id > c.id
       ) AS superseded
FROM data_corrections c
WHERE c.id = %(id)s;
