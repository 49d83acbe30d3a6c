-- What is wrong with the data, what was cleaned away, and which symbols keep failing.

CREATE OR REPLACE FUNCTION touch_updated_at() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END
$$;

CREATE TABLE IF NOT EXISTS data_anomalies (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    symbol text NOT NULL,
    asset_class text NOT NULL CHECK (asset_class IN ('stock', 'etf', 'crypto')),
    timeframe text NOT NULL,
    anomaly_type text NOT NULL,
    severity text NOT NULL CHECK (severity IN ('low', 'medium', 'high', 'critical')),
    description text,
    evidence jsonb,
    data_point_time timestamptz,
    resolution_status text NOT NULL DEFAULT 'open'
        CHECK (resolution_status IN ('open', 'acknowledged', 'resolved')),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    resolved_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- The same open anomaly is one row, however often it is seen.
CREATE UNIQUE INDEX IF NOT EXISTS data_anomalies_open
    ON data_anomalies (symbol, asset_class, timeframe, anomaly_type, coalesce(data_point_time, '-infinity'::timestamptz))
    WHERE resolution_status <> 'resolved';
CREATE INDEX IF NOT EXISTS idx_data_anomalies_status ON data_anomalies (resolution_status, severity);

DROP TRIGGER IF EXISTS data_anomalies_updated_at ON data_anomalies;
CREATE TRIGGER data_anomalies_updated_at BEFORE UPDATE ON data_anomalies
    FOR EACH ROW EXECUTE FUNCTION touch_updated_at();

CREATE TABLE IF NOT EXISTS duplicate_records_log (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    symbol text NOT NULL,
    asset_class text NOT NULL CHECK (asset_class IN ('stock', 'etf', 'crypto')),
    timeframe text NOT NULL,
    candle_time timestamptz NOT NULL,
    duplicate_count integer NOT NULL CHECK (duplicate_count > 0),
    duplicate_ids bigint[] NOT NULL,
    removed_records jsonb NOT NULL,
    restored_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX IF NOT EXISTS idx_duplicate_records_symbol_time ON duplicate_records_log (symbol, candle_time);

DROP TRIGGER IF EXISTS duplicate_records_log_updated_at ON duplicate_records_log;
CREATE TRIGGER duplicate_records_log_updated_at BEFORE UPDATE ON duplicate_records_log
    FOR EACH ROW EXECUTE FUNCTION touch_updated_at();

CREATE TABLE IF NOT EXISTS symbol_failure_tracking (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    symbol text NOT NULL,
    asset_class text NOT NULL CHECK (asset_class IN ('stock', 'etf', 'crypto')),
    consecutive_failures integer NOT NULL DEFAULT 0 CHECK (consecutive_failures >= 0),
    last_failure_at timestamptz,
    last_success_at timestamptz,
    alert_sent boolean NOT NULL DEFAULT false,
    alert_sent_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (symbol, asset_class)
);

DROP TRIGGER IF EXISTS symbol_failure_tracking_updated_at ON symbol_failure_tracking;
CREATE TRIGGER symbol_failure_tracking_updated_at BEFORE UPDATE ON symbol_failure_tracking
    FOR EACH ROW EXECUTE FUNCTION touch_updated_at();
