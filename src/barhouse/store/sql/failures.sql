-- name: track
-- Counts another failure in a row of each symbol that failed, and ends the row of each that succeeded.
INSERT INTO symbol_failure_tracking AS known (symbol, asset_class, consecutive_failures, last_failure_at,
    last_success_at)
SELECT symbol, asset_class, (NOT success)::int, CASE WHEN NOT success THEN now() END, CASE WHEN success THEN now() END
FROM unnest(%(symbols)s::text[], %(classes)s::text[], %(successes)s::bool[]) AS told (symbol, asset_class, success)
ORDER BY symbol, asset_class
ON CONFLICT (symbol, asset_class) DO UPDATE
SET consecutive_failures = CASE WHEN excluded.last_success_at IS NULL THEN known.consecutive_failures + 1 ELSE 0 END,
    last_failure_at = coalesce(excluded.last_failure_at, known.last_failure_at),
    last_success_at = coalesce(excluded.last_success_at, known.last_success_at),
    alert_sent = known.alert_sent AND excluded.last_success_at IS NULL
RETURNING symbol, asset_class, consecutive_failures, last_failure_at, alert_sent,
          consecutive_failures >= %(alarming)s AND NOT alert_sent AS should_alert;
