-- What users and schedules asked for: a job is one request, its tasks are a series each.

CREATE OR REPLACE FUNCTION touch_updated_at() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END
$$;

CREATE TABLE IF NOT EXISTS job (
    job_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    kind text NOT NULL CHECK (kind IN ('backfill', 'enrichment')),
    status text NOT NULL DEFAULT 'queued' CHECK (status IN ('queued', 'in_progress', 'completed', 'failed')),
    requested_by text,
    started_at timestamptz,
    completed_at timestamptz,
    error_message text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX IF NOT EXISTS job_status ON job (status, created_at);

DROP TRIGGER IF EXISTS job_updated_at ON job;
CREATE TRIGGER job_updated_at BEFORE UPDATE ON job
    FOR EACH ROW EXECUTE FUNCTION touch_updated_at();

-- A task points at the execution (backfill_state_persistent) that does it; two jobs may share one.
CREATE TABLE IF NOT EXISTS job_task (
    job_id uuid NOT NULL REFERENCES job ON DELETE CASCADE,
    symbol text NOT NULL,
    asset_class text NOT NULL CHECK (asset_class IN ('stock', 'etf', 'crypto')),
    timeframe text NOT NULL,
    execution_id uuid,
    status text NOT NULL DEFAULT 'queued' CHECK (status IN ('queued', 'in_progress', 'completed', 'failed')),
    error_message text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (job_id, symbol, asset_class, timeframe)
);

CREATE INDEX IF NOT EXISTS job_task_execution ON job_task (execution_id);

DROP TRIGGER IF EXISTS job_task_updated_at ON job_task;
CREATE TRIGGER job_task_updated_at BEFORE UPDATE ON job_task
    FOR EACH ROW EXECUTE FUNCTION touch_updated_at();
