-- Leases: whose an execution or a run is, until when unless they say so again, and how far they have come.

ALTER TABLE backfill_state_persistent
    ADD COLUMN IF NOT EXISTS owner text,
    ADD COLUMN IF NOT EXISTS heartbeat_at timestamptz,
    ADD COLUMN IF NOT EXISTS run_id uuid,
    ADD COLUMN IF NOT EXISTS bars_done bigint NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS bars_expected bigint;

COMMENT ON COLUMN backfill_state_persistent.run_id IS 'The run (scheduler_execution_log) that does it, if one does.';

-- At most one active row a series; 014 made the same, for those who run this file alone.
CREATE UNIQUE INDEX IF NOT EXISTS backfill_state_persistent_active
    ON backfill_state_persistent (symbol, asset_class, timeframe)
    WHERE status IN ('pending', 'in_progress');

ALTER TABLE scheduler_execution_log
    ADD COLUMN IF NOT EXISTS owner text,
    ADD COLUMN IF NOT EXISTS heartbeat_at timestamptz,
    ADD COLUMN IF NOT EXISTS lease_expires_at timestamptz;

COMMENT ON COLUMN scheduler_execution_log.lease_expires_at IS 'Of runs whose process shows that it lives, else NULL.';

-- Runs as they are: one whose process died is failed, though nobody has written that down yet.
CREATE OR REPLACE VIEW scheduler_run AS
SELECT id, execution_id, started_at, total_symbols, successful_symbols, failed_symbols, total_records_processed,
       CASE WHEN dead THEN heartbeat_at ELSE completed_at END AS completed_at,
       CASE WHEN dead THEN 'failed' ELSE status END AS status,
       CASE WHEN dead THEN 'Its process ended in the midst of it' ELSE error_message END AS error_message
FROM scheduler_execution_log,
     LATERAL (SELECT status = 'running' AND coalesce(lease_expires_at <= clock_timestamp(), false)) AS alive (dead);

-- What was computed before this was kept.
INSERT INTO feature_freshness (symbol, asset_class, timeframe, last_computed_at, data_point_count, status)
SELECT i.symbol, i.asset_class, t.name, coalesce(s.revised_at, now()), counted.rows, 'fresh'
FROM (SELECT instrument, timeframe, count(*) AS rows FROM bar_feature GROUP BY instrument, timeframe) AS counted
JOIN instrument i ON i.id = counted.instrument
JOIN timeframe t ON t.code = counted.timeframe
LEFT JOIN series s ON s.instrument = counted.instrument AND s.timeframe = counted.timeframe
ON CONFLICT (symbol, asset_class, timeframe) DO NOTHING;
