-- Who cleaned a slot, and who undid it; what whoever has seen an anomaly had to say of it.

ALTER TABLE duplicate_records_log
    ADD COLUMN IF NOT EXISTS cleaned_by text,
    ADD COLUMN IF NOT EXISTS restored_by text;

COMMENT ON COLUMN duplicate_records_log.cleaned_by IS 'Who cleaned the slot; NULL where nobody was named.';
COMMENT ON COLUMN duplicate_records_log.restored_by IS 'Who undid the cleanup.';

ALTER TABLE data_anomalies ADD COLUMN IF NOT EXISTS note text;

COMMENT ON COLUMN data_anomalies.note IS 'The words of whoever acknowledged it.';

-- What was corrected last, in all instruments.
CREATE INDEX IF NOT EXISTS idx_data_corrections_latest ON data_corrections (correction_timestamp DESC, id DESC);
