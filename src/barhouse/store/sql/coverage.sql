-- name: of_series
-- What was asked of each source for a series, oldest first.
SELECT s.name AS source, c.span_start, c.span_end, c.state, c.read_at, c.reason, c.attempts
FROM coverage c
JOIN source s ON s.code = c.source
WHERE c.instrument = %(instrument)s AND c.timeframe = %(timeframe)s
ORDER BY s.name, c.span_start;

-- name: read
-- Which spans of some series any source was read for, whether it had bars there or none.
SELECT instrument, span_start, span_end
FROM coverage
WHERE instrument = ANY (%(instruments)s) AND timeframe = %(timeframe)s AND state IN ('fetched', 'empty');

-- name: take
-- Takes the stretches that overlap or touch a span out of the table, to be laid anew around it.
DELETE FROM coverage
WHERE instrument = %(instrument)s AND timeframe = %(timeframe)s AND source = %(source)s
  AND span_start <= %(end)s AND span_end >= %(start)s
RETURNING span_start, span_end, state, read_at, reason, attempts, fetch_id;

-- name: lay
-- Writes stretches of one series and source.
INSERT INTO coverage (instrument, timeframe, source, span_start, span_end, state, read_at, reason, attempts, fetch_id)
SELECT %(instrument)s, %(timeframe)s, %(source)s, laid.*
FROM unnest(%(starts)s::timestamptz[], %(ends)s::timestamptz[], %(states)s::text[], %(read_ats)s::timestamptz[],
            %(reasons)s::text[], %(attempts)s::int[], %(fetch_ids)s::bigint[]) AS laid;

-- name: strangers
-- Which of some series no source knows: one said so last then and with these words, and none has anything of them.
SELECT c.instrument, t.name AS timeframe, max(c.read_at) FILTER (WHERE c.state = 'unknown') AS read_at,
       max(c.reason) FILTER (WHERE c.state = 'unknown') AS reason
FROM unnest(%(instruments)s::int[], %(timeframes)s::smallint[]) AS wanted (instrument, timeframe)
JOIN coverage c USING (instrument, timeframe)
JOIN timeframe t ON t.code = c.timeframe
WHERE NOT EXISTS (
    SELECT FROM bar b WHERE b.instrument = wanted.instrument AND b.timeframe = wanted.timeframe
)
GROUP BY c.instrument, t.name
HAVING bool_or(c.state = 'unknown') AND NOT bool_or(c.state IN ('fetched', 'failed', 'refused'));

-- name: absences
-- The stretches of a series in a span in which expected bars are absent, and why, oldest first.
SELECT (evidence->>'first')::timestamptz AS first, (evidence->>'last')::timestamptz AS last,
       evidence->>'reason' AS reason
FROM data_anomalies
WHERE instrument = %(instrument)s AND timeframe_code = %(timeframe)s AND anomaly_type IN ('gap', 'no_trade')
  AND resolution_status <> 'resolved' AND data_point_time < %(end)s
  AND (evidence->>'last')::timestamptz >= %(start)s
ORDER BY data_point_time;
