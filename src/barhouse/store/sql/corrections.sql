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
