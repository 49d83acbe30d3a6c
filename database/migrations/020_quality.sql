-- Anomalies know their series by number, and who has seen them; quality is asked for by symbol.

ALTER TABLE data_anomalies
    ADD COLUMN IF NOT EXISTS instrument integer,
    ADD COLUMN IF NOT EXISTS timeframe_code smallint,
    ADD COLUMN IF NOT EXISTS acknowledged_by text,
    ADD COLUMN IF NOT EXISTS acknowledged_at timestamptz;

-- A cause that is seen again changes nothing, so no row could say when it was seen last.
ALTER TABLE data_anomalies DROP COLUMN IF EXISTS last_seen_at;

-- What is still wrong with a series; and all there ever was of a symbol, newest first.
CREATE INDEX IF NOT EXISTS idx_data_anomalies_series ON data_anomalies (instrument, timeframe_code, anomaly_type)
    WHERE resolution_status <> 'resolved';
CREATE INDEX IF NOT EXISTS idx_data_anomalies_symbol ON data_anomalies (symbol, id DESC);

CREATE INDEX IF NOT EXISTS idx_quarantine_series ON quarantine (instrument, timeframe, time)
    WHERE status = 'quarantined';
