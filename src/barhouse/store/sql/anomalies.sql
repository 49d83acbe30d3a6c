-- name: take_turns
-- Lets one sweep at a time look and write down what it saw.
SELECT pg_advisory_xact_lock(7236837, 0);

-- name: reconcile
-- Makes the open causes of some series those that were found; says how many were raised, changed and resolved.
WITH found AS (
    SELECT told.*, coalesce(data_point_time, '-infinity') AS moment, i.symbol, i.asset_class, t.name AS timeframe
    FROM unnest(%(instruments)s::int[], %(timeframes)s::smallint[], %(types)s::text[], %(severities)s::text[],
                %(descriptions)s::text[], %(evidences)s::jsonb[], %(times)s::timestamptz[])
         AS told (instrument, timeframe_code, anomaly_type, severity, description, evidence, data_point_time)
    JOIN instrument i ON i.id = told.instrument
    JOIN timeframe t ON t.code = told.timeframe_code
), standing AS (
    SELECT id, instrument, timeframe_code, anomaly_type, coalesce(data_point_time, '-infinity') AS moment,
           severity AS was_severity, description AS was_description, evidence AS was_evidence
    FROM data_anomalies
    WHERE resolution_status <> 'resolved' AND instrument = ANY (%(checked)s::int[] || %(instruments)s::int[])
), both_sides AS MATERIALIZED (
    -- A full join is never a nested loop, whatever the statistics say of a table that was filled a moment ago.
    SELECT *, found.symbol IS NOT NULL AS is_found
    FROM standing FULL JOIN found USING (instrument, timeframe_code, anomaly_type, moment)
), changed AS (
    UPDATE data_anomalies AS known
    SET severity = seen.severity, description = seen.description, evidence = seen.evidence
    FROM both_sides AS seen
    WHERE known.id = seen.id AND seen.is_found
      AND (was_severity, was_description, was_evidence)
          IS DISTINCT FROM (seen.severity, seen.description, seen.evidence)
    RETURNING known.id
), raised AS (
    INSERT INTO data_anomalies (symbol, asset_class, timeframe, anomaly_type, severity, description, evidence,
                                data_point_time, instrument, timeframe_code)
    SELECT symbol, asset_class, timeframe, anomaly_type, severity, description, evidence,
           data_point_time, instrument, timeframe_code
    FROM both_sides
    WHERE id IS NULL
    ON CONFLICT DO NOTHING
    RETURNING id
), resolved AS (
    UPDATE data_anomalies AS known
    SET resolution_status = 'resolved', resolved_at = now()
    FROM both_sides AS seen
    WHERE known.id = seen.id AND NOT seen.is_found AND seen.instrument = ANY (%(checked)s::int[])
      AND seen.timeframe_code = ANY (%(looked_at)s::smallint[]) AND seen.anomaly_type = ANY (%(kinds)s::text[])
      AND (seen.moment = '-infinity' OR seen.moment >= %(start)s AND seen.moment < %(end)s)
    RETURNING known.id
)
SELECT (SELECT count(*) FROM raised), (SELECT count(*) FROM changed), (SELECT count(*) FROM resolved);

-- name: resolve
-- Resolves the causes of one type at some instants of series, which were mended by whoever says so.
UPDATE data_anomalies AS known
SET resolution_status = 'resolved', resolved_at = now()
FROM unnest(%(instruments)s::int[], %(times)s::timestamptz[]) AS mended (instrument, time)
WHERE known.resolution_status <> 'resolved' AND known.instrument = mended.instrument
  AND known.timeframe_code = %(timeframe)s AND known.anomaly_type = %(type)s AND known.data_point_time = mended.time;

-- name: listed
-- The anomalies that are asked for, the latest first, behind the one with the number `before`.
SELECT a.id, a.symbol, a.asset_class, a.timeframe, a.anomaly_type, a.severity, a.description, a.evidence,
       a.data_point_time, a.resolution_status, a.acknowledged_by, a.acknowledged_at, a.note, a.resolved_at, a.created_at
FROM data_anomalies a
WHERE (%(symbol)s::text IS NULL OR a.symbol = %(symbol)s)
  AND (%(asset_class)s::text IS NULL OR a.asset_class = %(asset_class)s)
  AND (%(timeframe)s::text IS NULL OR a.timeframe = %(timeframe)s)
  AND (%(type)s::text IS NULL OR a.anomaly_type = %(type)s)
  AND (%(severity)s::text IS NULL OR a.severity = %(severity)s)
  AND (%(status)s::text IS NULL OR a.resolution_status = %(status)s)
  AND (NOT %(faults)s OR (a.resolution_status <> 'resolved' AND a.anomaly_type NOT IN ('real_move', 'no_trade')))
  AND (%(since)s::date IS NULL OR a.data_point_time IS NULL OR a.data_point_time >= %(since)s)
  AND (%(before)s::bigint IS NULL OR a.id < %(before)s)
ORDER BY a.id DESC
LIMIT %(limit)s;

-- name: acknowledge
-- Notes who has seen open anomalies, and what they say; one that was seen already stays theirs.
UPDATE data_anomalies
SET resolution_status = 'acknowledged', acknowledged_by = %(author)s, acknowledged_at = now(), note = %(note)s
WHERE id = ANY (%(ids)s::bigint[]) AND resolution_status = 'open';

-- name: counted
-- How many anomalies are not resolved, of each type, severity and status, the worst first.
SELECT anomaly_type, severity, resolution_status, count(*) AS found
FROM data_anomalies
WHERE resolution_status <> 'resolved'
GROUP BY anomaly_type, severity, resolution_status
ORDER BY array_position(ARRAY['critical', 'high', 'medium', 'low'], severity), anomaly_type, resolution_status;

-- name: one
-- An anomaly by its number.
SELECT a.id, a.symbol, a.asset_class, a.timeframe, a.anomaly_type, a.severity, a.description, a.evidence,
       a.data_point_time, a.resolution_status, a.acknowledged_by, a.acknowledged_at, a.note, a.resolved_at, a.created_at
FROM data_anomalies a
WHERE a.id = %(id)s;
