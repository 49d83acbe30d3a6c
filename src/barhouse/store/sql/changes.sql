-- name: unsettled
-- The oldest start of a transaction that may have stamped a series and has not ended yet; NULL if there is none.
SELECT min(coalesce(a.xact_start, 'epoch'))
FROM pg_locks l
LEFT JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.granted AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND (l.locktype = 'advisory' AND l.objsubid = 2
       OR l.locktype = 'relation' AND l.relation = 'series'::regclass AND l.mode = 'RowExclusiveLock');

-- name: changes
-- What came to, was corrected in, and left some series after one instant and up to another, in the one order of it.
WITH wanted AS MATERIALIZED (
    SELECT s.instrument, s.timeframe, i.symbol, i.asset_class, t.name
    FROM unnest(%(instruments)s::int[], %(timeframes)s::smallint[]) AS asked (instrument, timeframe)
    JOIN series s ON s.instrument = asked.instrument AND s.timeframe = asked.timeframe AND s.revised_at > %(after)s
    JOIN instrument i ON i.id = s.instrument
    JOIN timeframe t ON t.code = s.timeframe
), event AS (
    SELECT bar.instrument, bar.timeframe, bar.time, f.stamped_at AS at
    FROM wanted
    JOIN enrichment_fetch_log f ON f.symbol = wanted.symbol AND f.asset_class = wanted.asset_class
        AND f.timeframe = wanted.name AND f.stamped_at > %(after)s AND f.stamped_at <= %(until)s
    JOIN bar ON bar.instrument = wanted.instrument AND bar.timeframe = wanted.timeframe AND bar.fetch_id = f.id
        AND bar.time >= coalesce(f.span_start - interval '8 days', '-infinity')
        AND bar.time < coalesce(f.span_end + interval '2 days', 'infinity')
    UNION
    SELECT stay.instrument, stay.timeframe, stay.time, stay.came_at
    FROM wanted
    JOIN bar_stay stay ON stay.instrument = wanted.instrument AND stay.timeframe = wanted.timeframe
        AND stay.gone_at IS NULL AND stay.came_at > %(after)s AND stay.came_at <= %(until)s
), arrived AS (
    SELECT instrument, timeframe, time, max(at) AS at FROM event GROUP BY instrument, timeframe, time
)
SELECT *
FROM (
    SELECT instrument, timeframe, 0 AS kind, time, 0::bigint AS number, arrived.at, bar.open, bar.high, bar.low,
           bar.close, bar.volume, bar.source, bar.validated, bar.quality_score, bar.extended,
           NULL::text AS field, NULL::float8 AS old_value, NULL::float8 AS new_value, NULL::text AS reason,
           NULL::text AS by
    FROM arrived
    JOIN bar USING (instrument, timeframe, time)
    WHERE NOT bar.forming
    UNION ALL
    SELECT wanted.instrument, wanted.timeframe, 1, c."timestamp", c.id, c.correction_timestamp, NULL, NULL, NULL,
           NULL, NULL, NULL, NULL, NULL, NULL, c.field_corrected, c.old_value, c.new_value, c.reason, c.corrected_by
    FROM wanted
    JOIN data_corrections c ON c.instrument = wanted.instrument AND c.timeframe_code = wanted.timeframe
        AND c.correction_timestamp > %(after)s AND c.correction_timestamp <= %(until)s
    UNION ALL
    SELECT wanted.instrument, wanted.timeframe, 2, stay.time, stay.id, stay.gone_at, NULL, NULL, NULL,
           NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, stay.gone_by, NULL
    FROM wanted
    JOIN bar_stay stay ON stay.instrument = wanted.instrument AND stay.timeframe = wanted.timeframe
        AND stay.gone_at > %(after)s AND stay.gone_at <= %(until)s
) AS change
WHERE (instrument, timeframe, kind, time, number) > (
    %(instrument)s, %(timeframe)s, %(kind)s, %(time)s::timestamptz, %(number)s)
ORDER BY instrument, timeframe, kind, time, number
LIMIT %(limit)s;
