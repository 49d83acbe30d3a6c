-- One row an execution of a backfill, with the lease of the worker that does it.

CREATE OR REPLACE FUNCTION touch_updated_at() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END
$$;

CREATE TABLE IF NOT EXISTS backfill_state_persistent (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    execution_id uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),
    symbol text NOT NULL,
    asset_class text NOT NULL CHECK (asset_class IN ('stock', 'etf', 'crypto')),
    timeframe text NOT NULL,
    status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'in_progress', 'completed', 'failed')),
    started_at timestamptz,
    completed_at timestamptz,
    records_inserted bigint NOT NULL DEFAULT 0,
    error_message text,
    retry_count integer NOT NULL DEFAULT 0,
    max_retries integer NOT NULL DEFAULT 3,
    lease_token uuid,
    lease_expires_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE UNIQUE INDEX IF NOT EXISTS backfill_state_persistent_active
    ON backfill_state_persistent (symbol, asset_class, timeframe)
    WHERE status IN ('pending', 'in_progress');
CREATE INDEX IF NOT EXISTS idx_backfill_persistent_symbol_status ON backfill_state_persistent (symbol, status);
CREATE INDEX IF NOT EXISTS idx_backfill_persistent_created ON backfill_state_persistent (created_at);

DROP TRIGGER IF EXISTS backfill_state_persistent_updated_at ON backfill_state_persistent;
CREATE TRIGGER backfill_state_persistent_updated_at BEFORE UPDATE ON backfill_state_persistent
    FOR EACH ROW EXECUTE FUNCTION touch_updated_at();
