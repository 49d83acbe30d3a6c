-- name: series
-- A page of series with the mean quality of the newest bars of each and their latest closes; `found` counts all pages.
WITH every AS (
    SELECT i.id AS instrument, s.timeframe AS code, i.symbol, i.asset_class, i.exchange, i.active, t.name AS timeframe,
           s.tracked, s.bars, s.first_bar, s.last_bar, coalesce(wrong.faults, 0) AS faults
    FROM series s
    JOIN instrument i ON i.id = s.instrument
    JOIN timeframe t ON t.code = s.timeframe
    LEFT JOIN (
        SELECT instrument, timeframe_code, count(*) AS faults
        FROM data_anomalies
        WHERE resolution_status <> 'resolved' AND anomaly_type NOT IN ('real_move', 'no_trade')
        GROUP BY instrument, timeframe_code
    ) AS wrong ON wrong.instrument = s.instrument AND wrong.timeframe_code = s.timeframe
    WHERE (%(text)s::text IS NULL OR strpos(i.symbol, upper(%(text)s)) > 0)
      AND (%(timeframe)s::text IS NULL OR t.name = %(timeframe)s)
      AND (%(asset_class)s::text IS NULL OR i.asset_class = %(asset_class)s)
), shown AS (
    SELECT every.*, count(*) OVER () AS found,
           row_number() OVER (ORDER BY {order}, symbol, asset_class, code) AS place
    FROM every
    ORDER BY place
    LIMIT %(limit)s OFFSET %(offset)s
)
SELECT shown.*, newest.quality_score, newest.closes
FROM shown
CROSS JOIN LATERAL (
    SELECT avg(quality_score) AS quality_score,
           array_agg(close ORDER BY time) FILTER (WHERE rank <= %(closes)s AND close IS NOT NULL) AS closes
    FROM (
        SELECT quality_score, close, time, row_number() OVER (ORDER BY time DESC) AS rank
        FROM bar
        WHERE bar.instrument = shown.instrument AND bar.timeframe = shown.code AND NOT bar.forming
        ORDER BY bar.time DESC
        LIMIT %(newest)s
    ) AS bar
) AS newest
ORDER BY place;

-- name: holes
-- A page of series with what is absent in each, by reason, and what asking came to; `found` counts all pages.
WITH absent AS (
    SELECT instrument, timeframe_code AS code, count(*) AS gaps,
           sum((evidence->>'missing_bars')::bigint) FILTER (WHERE evidence->>'reason' = 'missing') AS missing,
           sum((evidence->>'missing_bars')::bigint) FILTER (WHERE evidence->>'reason' = 'vendor_empty') AS vendor_empty,
           sum((evidence->>'missing_bars')::bigint) FILTER (WHERE evidence->>'reason' = 'quarantined') AS quarantined
    FROM data_anomalies
    WHERE resolution_status <> 'resolved' AND anomaly_type = 'gap'
    GROUP BY instrument, timeframe_code
), asked AS (
    SELECT instrument, timeframe AS code, max(read_at) AS read_at,
           count(*) FILTER (WHERE state IN ('failed', 'refused')) AS failed,
           max(reason) FILTER (WHERE state IN ('failed', 'refused')) AS reason,
           count(*) FILTER (WHERE state = 'unreachable') AS unreachable
    FROM coverage
    GROUP BY instrument, timeframe
), every AS (
    SELECT i.id AS instrument, s.timeframe AS code, i.symbol, i.asset_class, i.exchange, t.name AS timeframe, s.tracked,
           s.bars, s.first_bar, s.last_bar, asked.read_at, asked.reason, coalesce(asked.failed, 0) AS failed,
           coalesce(asked.unreachable, 0) AS unreachable, coalesce(gaps, 0) AS gaps,
           coalesce(missing, 0)::bigint AS missing, coalesce(vendor_empty, 0)::bigint AS vendor_empty,
           coalesce(quarantined, 0)::bigint AS quarantined,
           (coalesce(missing, 0) + coalesce(vendor_empty, 0) + coalesce(quarantined, 0))::bigint AS absent
    FROM series s
    JOIN instrument i ON i.id = s.instrument
    JOIN timeframe t ON t.code = s.timeframe
    LEFT JOIN absent ON absent.instrument = s.instrument AND absent.code = s.timeframe
    LEFT JOIN asked ON asked.instrument = s.instrument AND asked.code = s.timeframe
    WHERE (%(text)s::text IS NULL OR strpos(i.symbol, upper(%(text)s)) > 0)
      AND (%(timeframe)s::text IS NULL OR t.name = %(timeframe)s)
      AND (%(asset_class)s::text IS NULL OR i.asset_class = %(asset_class)s)
)
SELECT every.*, count(*) OVER () AS found
FROM every
ORDER BY {order}, symbol, asset_class, code
LIMIT %(limit)s OFFSET %(offset)s;
