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

-- name: shown
-- The rows of one instrument, or of all, that were kept last and are as is asked for, behind a number that was shown.
SELECT q.id, i.symbol, i.asset_class, t.name AS timeframe, q.time, s.name AS source, q.fetch_id, f.span_start, f.span_end,
       q.reason, q.payload, q.status, q.decided_by, q.decision, q.released_at, q.released_fetch_id, q.created_at
FROM quarantine q
JOIN instrument i ON i.id = q.instrument
JOIN timeframe t ON t.code = q.timeframe
LEFT JOIN source s ON s.code = q.source
LEFT JOIN enrichment_fetch_log f ON f.id = q.fetch_id
WHERE (%(instrument)s::int IS NULL OR q.instrument = %(instrument)s)
  AND (%(timeframe)s::smallint IS NULL OR q.timeframe = %(timeframe)s)
  AND (%(reason)s::text IS NULL OR %(reason)s = ANY (string_to_array(q.reason, ',')))
  AND (%(status)s::text IS NULL OR q.status = %(status)s)
  AND (%(before)s::bigint IS NULL OR q.id < %(before)s)
ORDER BY q.id DESC
LIMIT %(limit)s;

-- name: waiting
-- The series that have rows in quarantine over which nobody has decided yet.
SELECT DISTINCT q.instrument, q.timeframe FROM quarantine q WHERE q.status = 'quarantined';

-- name: series
-- The series of some rows.
SELECT DISTINCT i.id, i.symbol, i.asset_class, i.exchange, q.timeframe
FROM quarantine q
JOIN instrument i ON i.id = q.instrument
WHERE q.id = ANY (%(ids)s::bigint[])
ORDER BY q.timeframe, i.id;

-- name: rows
-- The rows of one series, or some of them, oldest first.
SELECT q.id, q.time, q.source, s.name, q.reason, q.payload, q.status, q.created_at
FROM quarantine q
LEFT JOIN source s ON s.code = q.source
WHERE q.instrument = %(instrument)s AND q.timeframe = %(timeframe)s
  AND (%(ids)s::bigint[] IS NULL AND q.status = 'quarantined' OR q.id = ANY (%(ids)s))
ORDER BY q.id;

-- name: splits
-- The splits of an instrument: by whom they were told, and from when to when.
SELECT source, effective, ratio, learnt_at, until
FROM corporate_action
WHERE instrument = %(instrument)s AND kind = 'split';

-- name: release
-- Rows that became bars: from when on, under which fetch, by whom and why.
UPDATE quarantine
SET status = 'released', released_at = %(at)s, released_fetch_id = told.fetch_id, decided_by = %(by)s,
    decision = %(why)s
FROM unnest(%(ids)s::bigint[], %(fetch_ids)s::bigint[]) AS told (id, fetch_id)
WHERE quarantine.id = told.id;

-- name: reject
-- Rows that will never be bars, if nobody decided otherwise before.
UPDATE quarantine SET status = 'rejected', decided_by = %(by)s, decision = %(why)s
WHERE id = ANY (%(ids)s::bigint[]) AND status = 'quarantined'
RETURNING id;

-- name: statuses
-- How some rows stand.
SELECT id, status FROM quarantine WHERE id = ANY (%(ids)s::bigint[]) FOR UPDATE;
