-- name: newest
-- The newest settled bar of each series of active instruments, by exchange and timeframe, and whether it is tracked.
SELECT i.id, i.symbol, i.asset_class, i.exchange, t.name, newest.time, s.tracked, newest.delay
FROM series s
JOIN instrument i ON i.id = s.instrument
JOIN timeframe t ON t.code = s.timeframe
CROSS JOIN LATERAL (
    SELECT b.time, coalesce(src.delay, interval '15 minutes') AS delay
    FROM bar b LEFT JOIN source src ON src.code = b.source
    WHERE b.instrument = s.instrument AND b.timeframe = s.timeframe AND NOT b.forming AND NOT b.extended
    ORDER BY b.time DESC LIMIT 1
) AS newest
WHERE i.active
ORDER BY i.exchange, t.minutes, i.id;

-- name: sources
-- Each source that was asked lately: how often in a row it has failed, for how many symbols, and its latest error.
SELECT asked.source, count(f.id) AS in_a_row, count(DISTINCT (f.symbol, f.asset_class)) FILTER (WHERE f.id IS NOT NULL)
           AS symbols,
       (array_agg(f.error_details ORDER BY f.id DESC))[1] AS error,
       (array_agg(f.error_class ORDER BY f.id DESC))[1] AS error_class
FROM (
    -- One that says that it does not know a symbol is well
    SELECT source, coalesce(max(id) FILTER (WHERE success OR error_class = 'UnknownAtSource'), 0) AS succeeded
    FROM enrichment_fetch_log
    WHERE created_at > %(since)s
    GROUP BY source
) AS asked
LEFT JOIN enrichment_fetch_log f ON f.source = asked.source AND f.id > asked.succeeded AND f.created_at > %(since)s
GROUP BY asked.source
ORDER BY asked.source;

-- name: lately_down
-- The sources that were down lately, or still are.
SELECT DISTINCT cause FROM alert_incident WHERE rule IN ('vendor_down', 'key_refused') AND (status <> 'over' OR over_at > %(since)s);

-- name: suffering
-- The symbols whose latest fetch failed at one of these sources, and at which.
SELECT symbol, asset_class, source
FROM (
    SELECT DISTINCT ON (symbol, asset_class) symbol, asset_class, source, success
    FROM enrichment_fetch_log
    WHERE created_at > %(since)s
    ORDER BY symbol, asset_class, id DESC
) AS latest
WHERE NOT success AND source = ANY (%(down)s::text[]);

-- name: rates
-- What share succeeded, or how good it is, of how many; what comes of sources that are or were down is left out.
SELECT 'fetch_success' AS rule, avg(success::int)::float8 AS value, count(*) AS events
FROM enrichment_fetch_log
WHERE created_at > %(fetch_success)s AND source <> ALL (%(down)s::text[])
UNION ALL
SELECT 'compute_success', avg(success::int)::float8, count(*)
FROM enrichment_compute_log
WHERE created_at > %(compute_success)s
UNION ALL
SELECT 'mean_quality', sum(avg_quality_score * total_records) / nullif(sum(total_records), 0),
       coalesce(sum(total_records), 0)
FROM data_quality_metrics
WHERE metric_date > (%(mean_quality)s::timestamptz AT TIME ZONE 'UTC')::date AND avg_quality_score IS NOT NULL
UNION ALL
SELECT 'run_failures',
       (run.failed_symbols - explained.symbols)::float8 / nullif(run.total_symbols - explained.symbols, 0),
       run.total_symbols - explained.symbols
FROM (
    SELECT * FROM scheduler_run WHERE status <> 'running' ORDER BY completed_at DESC NULLS LAST, id DESC LIMIT 1
) AS run
CROSS JOIN LATERAL (
    SELECT count(DISTINCT (s.symbol, s.asset_class)) AS symbols
    FROM symbol_computation_status s
    WHERE s.execution_id = run.execution_id AND s.status = 'failed' AND EXISTS (
        SELECT FROM enrichment_fetch_log f
        WHERE f.symbol = s.symbol AND f.asset_class = s.asset_class AND f.source = ANY (%(down)s::text[])
          AND NOT f.success AND f.created_at BETWEEN run.started_at AND run.completed_at
    )
) AS explained;

-- name: failing
-- The symbols that have failed so often in a row that somebody has to know, the worst first, with their last error.
SELECT f.symbol, f.asset_class, f.consecutive_failures, f.last_failure_at, f.alert_sent, e.error_message AS error
FROM symbol_failure_tracking f
LEFT JOIN enrichment_status e USING (symbol, asset_class)
WHERE f.consecutive_failures >= %(alarming)s
ORDER BY f.consecutive_failures DESC, f.symbol, f.asset_class;

-- name: anomalies
-- What is wrong by now with the data, by type and severity.
SELECT anomaly_type, severity, count(*) AS count
FROM data_anomalies
WHERE resolution_status <> 'resolved' AND anomaly_type NOT IN ('real_move', 'no_trade')
GROUP BY anomaly_type, severity
ORDER BY anomaly_type, severity;

-- name: queue
-- How many executions wait, and since when the oldest does; since when no backfill has succeeded of what is tracked.
SELECT count(*) AS waiting, min(created_at) AS oldest,
       (SELECT greatest(min(s.created_at),
                        (SELECT max(completed_at) FROM scheduler_run WHERE successful_symbols > 0))
        FROM series s WHERE s.tracked) AS succeeded
FROM backfill_state_persistent
WHERE status = 'pending';

-- name: workers
-- How many workers have shown lately that they live.
SELECT count(*) FROM barhouse_queue.procrastinate_workers WHERE last_heartbeat > now() - %(silence)s;

-- name: busy
-- Whether any backfill waits or runs.
SELECT EXISTS (SELECT FROM backfill_state_persistent WHERE status IN ('pending', 'in_progress'));

-- name: keep
-- Keeps what a health run saw.
INSERT INTO health_run (run_at, status, stale_symbols, failed_symbols, anomalies_detected, alerts_triggered,
                        duration_ms, details)
VALUES (%(timestamp)s, %(status)s, %(stale_symbols)s, %(failed_symbols)s, %(anomalies_detected)s,
        %(alerts_triggered)s, %(duration_ms)s, %(details)s::jsonb);

-- name: history
-- The latest health runs, newest first.
SELECT run_at AS timestamp, status, stale_symbols, failed_symbols, anomalies_detected, alerts_triggered, duration_ms,
       details
FROM health_run
ORDER BY run_at DESC, id DESC
LIMIT %(limit)s;
