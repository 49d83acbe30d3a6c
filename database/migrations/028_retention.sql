-- What finds the rows of logs that are old enough to go, without a look at those that stay.

CREATE INDEX IF NOT EXISTS idx_enrichment_fetch_changed_nothing ON enrichment_fetch_log (created_at)
    WHERE stamped_at IS NULL;
CREATE INDEX IF NOT EXISTS idx_quarantine_fetch ON quarantine (fetch_id) WHERE status = 'quarantined';
CREATE INDEX IF NOT EXISTS idx_symbol_computation_time ON symbol_computation_status (created_at);
CREATE INDEX IF NOT EXISTS idx_data_anomalies_resolved ON data_anomalies (resolved_at)
    WHERE resolution_status = 'resolved';
