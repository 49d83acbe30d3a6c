-- What a cleanup took away so that it can be undone, and who decided over rows in quarantine, and why.

CREATE OR REPLACE FUNCTION touch_updated_at() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END
$$;

ALTER TABLE duplicate_records_log
    ADD COLUMN IF NOT EXISTS instrument integer,
    ADD COLUMN IF NOT EXISTS timeframe_code smallint,
    ADD COLUMN IF NOT EXISTS run_id uuid,
    ADD COLUMN IF NOT EXISTS survivor jsonb,
    ADD COLUMN IF NOT EXISTS stamped_at timestamptz;

COMMENT ON COLUMN duplicate_records_log.candle_time IS 'The canonical time of the slot, at which the survivor stands.';
COMMENT ON COLUMN duplicate_records_log.removed_records IS 'The rows of `bar` that were taken out, whole.';
COMMENT ON COLUMN duplicate_records_log.survivor IS 'The row of `bar` that stayed, whole, as it was before it was moved to the slot.';
COMMENT ON COLUMN duplicate_records_log.stamped_at IS 'The instant at which the revision of the series was stamped.';
COMMENT ON COLUMN duplicate_records_log.restored_at IS 'When the cleanup was undone.';

ALTER TABLE quarantine
    ADD COLUMN IF NOT EXISTS decided_by text,
    ADD COLUMN IF NOT EXISTS decision text,
    ADD COLUMN IF NOT EXISTS released_fetch_id bigint;

COMMENT ON COLUMN quarantine.decided_by IS 'Who released or rejected the row.';
COMMENT ON COLUMN quarantine.decision IS 'Why.';
COMMENT ON COLUMN quarantine.released_fetch_id IS 'The fetch (enrichment_fetch_log.id) under which the row became a bar.';

CREATE INDEX IF NOT EXISTS quarantine_waiting ON quarantine (instrument, timeframe, time) WHERE status = 'quarantined';
