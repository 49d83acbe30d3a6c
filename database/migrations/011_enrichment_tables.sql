-- The enrichment pipeline's books: resume points, fetches, computations, daily quality, corrections, status.

CREATE OR REPLACE FUNCTION touch_updated_at() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END
$$;

CREATE TABLE IF NOT EXISTS backfill_state (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    symbol text NOT NULL,
    asset_class text NOT NULL CHECK (asset_class IN ('stock', 'etf', 'crypto')),
    timeframe text NOT NULL,
    backfill_job_id uuid,
    status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'in_progress', 'completed', 'failed')),
    last_successful_date date,
    error_message text,
    retry_count integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (symbol, asset_class, timeframe)
);

CREATE INDEX IF NOT EXISTS idx_backfill_state_symbol_status ON backfill_state (symbol, status);

DROP TRIGGER IF EXISTS backfill_state_updated_at ON backfill_state;
CREATE TRIGGER backfill_state_updated_at BEFORE UPDATE ON backfill_state
    FOR EACH ROW EXECUTE FUNCTION touch_updated_at();

CREATE TABLE IF NOT EXISTS enrichment_fetch_log (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    symbol text NOT NULL,
    asset_class text NOT NULL CHECK (asset_class IN ('stock', 'etf', 'crypto')),
    timeframe text NOT NULL,
    source text NOT NULL,
    span_start timestamptz,
    span_end timestamptz,
    calls integer NOT NULL DEFAULT 0,
    records_fetched integer NOT NULL DEFAULT 0,
    records_inserted integer NOT NULL DEFAULT 0,
    records_updated integer NOT NULL DEFAULT 0,
    records_unchanged integer NOT NULL DEFAULT 0,
    records_quarantined integer NOT NULL DEFAULT 0,
    success boolean NOT NULL,
    source_response_time_ms double precision,
    api_quota_remaining integer,
    error_details text,
    job_id uuid,
    stamped_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON COLUMN enrichment_fetch_log.stamped_at IS 'The instant at which the revision of the series was stamped: from then on readers saw the bars.';

CREATE INDEX IF NOT EXISTS idx_enrichment_fetch_symbol_time ON enrichment_fetch_log (symbol, created_at DESC);
CREATE INDEX IF NOT EXISTS idx_enrichment_fetch_time ON enrichment_fetch_log (created_at);

DROP TRIGGER IF EXISTS enrichment_fetch_log_updated_at ON enrichment_fetch_log;
CREATE TRIGGER enrichment_fetch_log_updated_at BEFORE UPDATE ON enrichment_fetch_log
    FOR EACH ROW EXECUTE FUNCTION touch_updated_at();

CREATE TABLE IF NOT EXISTS enrichment_compute_log (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    symbol text NOT NULL,
    asset_class text NOT NULL CHECK (asset_class IN ('stock', 'etf', 'crypto')),
    timeframe text NOT NULL,
    features_computed integer NOT NULL DEFAULT 0,
    missing_fields text[],
    computation_time_ms double precision,
    success boolean NOT NULL,
    error_details text,
    job_id uuid,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX IF NOT EXISTS idx_enrichment_compute_symbol_time ON enrichment_compute_log (symbol, created_at DESC);
CREATE INDEX IF NOT EXISTS idx_enrichment_compute_time ON enrichment_compute_log (created_at);

CREATE TABLE IF NOT EXISTS data_quality_metrics (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    symbol text NOT NULL,
    asset_class text NOT NULL CHECK (asset_class IN ('stock', 'etf', 'crypto')),
    metric_date date NOT NULL,
    total_records integer NOT NULL DEFAULT 0,
    validated_records integer NOT NULL DEFAULT 0,
    validation_rate double precision,
    gaps_detected integer NOT NULL DEFAULT 0,
    anomalies_detected integer NOT NULL DEFAULT 0,
    avg_quality_score double precision,
    data_completeness double precision,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (symbol, asset_class, metric_date)
);

CREATE INDEX IF NOT EXISTS idx_data_quality_symbol_date ON data_quality_metrics (symbol, metric_date DESC);

DROP TRIGGER IF EXISTS data_quality_metrics_updated_at ON data_quality_metrics;
CREATE TRIGGER data_quality_metrics_updated_at BEFORE UPDATE ON data_quality_metrics
    FOR EACH ROW EXECUTE FUNCTION touch_updated_at();

-- `original_record_id` is the bar's packed key, `bar_id(instrument, timeframe_code, "timestamp")`.
CREATE TABLE IF NOT EXISTS data_corrections (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    original_record_id bigint NOT NULL,
    instrument integer,
    timeframe_code smallint,
    symbol text NOT NULL,
    asset_class text NOT NULL CHECK (asset_class IN ('stock', 'etf', 'crypto')),
    timeframe text NOT NULL,
    "timestamp" timestamptz NOT NULL,
    field_corrected text NOT NULL,
    old_value double precision,
    new_value double precision,
    reason text NOT NULL CHECK (reason IN ('source_updated', 'bug_fix', 'manual_correction')),
    corrected_by text NOT NULL,
    correction_timestamp timestamptz NOT NULL DEFAULT now(),
    fetch_id bigint,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX IF NOT EXISTS idx_data_corrections_symbol_time ON data_corrections (symbol, "timestamp");
CREATE INDEX IF NOT EXISTS idx_data_corrections_series ON data_corrections (instrument, timeframe_code, "timestamp");

CREATE TABLE IF NOT EXISTS enrichment_status (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    symbol text NOT NULL,
    asset_class text NOT NULL CHECK (asset_class IN ('stock', 'etf', 'crypto')),
    status text NOT NULL DEFAULT 'not_enriched'
        CHECK (status IN ('healthy', 'warning', 'stale', 'error', 'not_enriched')),
    last_enrichment_time timestamptz,
    data_age_seconds double precision,
    records_available bigint NOT NULL DEFAULT 0,
    quality_score double precision,
    validation_rate double precision,
    error_message text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (symbol, asset_class)
);

CREATE INDEX IF NOT EXISTS idx_enrichment_status_status ON enrichment_status (status);

DROP TRIGGER IF EXISTS enrichment_status_updated_at ON enrichment_status;
CREATE TRIGGER enrichment_status_updated_at BEFORE UPDATE ON enrichment_status
    FOR EACH ROW EXECUTE FUNCTION touch_updated_at();
