-- name: keep
-- Keeps rows that are no bars; a row that came before for the same reason is there already.
INSERT INTO quarantine (instrument, timeframe, time, source, fetch_id, reason, payload)
SELECT *
FROM unnest(%(instruments)s::int[], %(timeframes)s::smallint[], %(times)s::timestamptz[], %(sources)s::smallint[],
            %(fetch_ids)s::bigint[], %(reasons)s::text[], %(payloads)s::text[])
ON CONFLICT DO NOTHING;

-- name: listed
-- The rows of one instrument, or of all, that were kept last.
SELECT q.id, i.symbol, i.asset_class, t.name AS timeframe, q.time, s.name AS source, q.fetch_id, q.reason, q.payload,
       q.status, q.released_at, q.created_at
FROM quarantine q
JOIN instrument i ON i.id = q.instrument
JOIN timeframe t ON t.code = q.timeframe
LEFT JOIN source s ON s.code = q.source
WHERE %(instrument)s::int IS NULL OR q.instrument = %(instrument)s
ORDER BY q.id DESC
LIMIT %(limit)s;
