-- What the schedulers did: runs, the symbols in them, failures, and how fresh the features are.

CREATE OR REPLACE FUNCTION touch_updated_at() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END
$$;

CREATE TABLE IF NOT EXISTS scheduler_execution_log (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    execution_id uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),
    started_at timestamptz NOT NULL,
    completed_at timestamptz,
    status text NOT NULL DEFAULT 'running'
        CHECK (status IN ('running', 'completed', 'completed_with_errors', 'failed')),
    total_symbols integer NOT NULL DEFAULT 0,
    successful_symbols integer NOT NULL DEFAULT 0,
    failed_symbols integer NOT NULL DEFAULT 0,
    total_records_processed bigint NOT NULL DEFAULT 0,
    error_message text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX IF NOT EXISTS idx_scheduler_execution_started ON scheduler_execution_log (started_at DESC);

DROP TRIGGER IF EXISTS scheduler_execution_log_updated_at ON scheduler_execution_log;
CREATE TRIGGER scheduler_execution_log_updated_at BEFORE UPDATE ON scheduler_execution_log
    FOR EACH ROW EXECUTE FUNCTION touch_updated_at();

CREATE TABLE IF NOT EXISTS feature_computation_failures (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    execution_id uuid,
    symbol text NOT NULL,
    asset_class text NOT NULL CHECK (asset_class IN ('stock', 'etf', 'crypto')),
    timeframe text NOT NULL,
    error_message text NOT NULL,
    failed_at timestamptz NOT NULL DEFAULT now(),
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX IF NOT EXISTS idx_feature_failures_time ON feature_computation_failures (failed_at DESC);

CREATE TABLE IF NOT EXISTS feature_freshness (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    symbol text NOT NULL,
    asset_class text NOT NULL CHECK (asset_class IN ('stock', 'etf', 'crypto')),
    timeframe text NOT NULL,
    last_computed_at timestamptz,
    data_point_count bigint NOT NULL DEFAULT 0,
    staleness_seconds double precision,
    status text NOT NULL DEFAULT 'missing' CHECK (status IN ('fresh', 'aging', 'stale', 'missing')),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (symbol, asset_class, timeframe)
);

CREATE INDEX IF NOT EXISTS idx_feature_freshness_status ON feature_freshness (status);

DROP TRIGGER IF EXISTS feature_freshness_updated_at ON feature_freshness;
CREATE TRIGGER feature_freshness_updated_at BEFORE UPDATE ON feature_freshness
    FOR EACH ROW EXECUTE FUNCTION touch_updated_at();

CREATE TABLE IF NOT EXISTS symbol_computation_status (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    execution_id uuid NOT NULL,
    symbol text NOT NULL,
    asset_class text NOT NULL CHECK (asset_class IN ('stock', 'etf', 'crypto')),
    timeframe text NOT NULL,
    status text NOT NULL CHECK (status IN ('pending', 'in_progress', 'completed', 'failed', 'retry', 'skipped')),
    records_processed bigint NOT NULL DEFAULT 0,
    records_inserted bigint NOT NULL DEFAULT 0,
    features_computed integer NOT NULL DEFAULT 0,
    error_message text,
    started_at timestamptz,
    completed_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (execution_id, symbol, asset_class, timeframe)
);

CREATE INDEX IF NOT EXISTS idx_symbol_computation_symbol ON symbol_computation_status (symbol, created_at DESC);

DROP TRIGGER IF EXISTS symbol_computation_status_updated_at ON symbol_computation_status;
CREATE TRIGGER symbol_computation_status_updated_at BEFORE UPDATE ON symbol_computation_status
    FOR EACH ROW EXECUTE FUNCTION touch_updated_at();
