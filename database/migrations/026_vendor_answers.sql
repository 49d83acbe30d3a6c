-- What vendors answered: how good it was, beside whose answer, what kind of error; keys that are refused, symbols unknown.

ALTER TABLE enrichment_fetch_log ADD COLUMN IF NOT EXISTS quality_score double precision
    CHECK (quality_score BETWEEN 0 AND 1);
ALTER TABLE enrichment_fetch_log ADD COLUMN IF NOT EXISTS compared_with text;
ALTER TABLE enrichment_fetch_log ADD COLUMN IF NOT EXISTS compared_score double precision
    CHECK (compared_score BETWEEN 0 AND 1);
ALTER TABLE enrichment_fetch_log ADD COLUMN IF NOT EXISTS error_class text;

COMMENT ON COLUMN enrichment_fetch_log.quality_score IS 'Mean score of the bars of the answer; NULL where it had no rows.';
COMMENT ON COLUMN enrichment_fetch_log.compared_with IS 'The source whose answer for the same span was weighed against it.';
COMMENT ON COLUMN enrichment_fetch_log.error_class IS 'The kind of error (errors.py): Unauthorized, RateLimited, …';

-- A refused key is another row than the key that replaces it.
ALTER TABLE vendor_quota ADD COLUMN IF NOT EXISTS refused_until timestamptz NOT NULL DEFAULT '-infinity';
ALTER TABLE vendor_quota ADD COLUMN IF NOT EXISTS refused_because text;

COMMENT ON COLUMN vendor_quota.refused_until IS 'Until when nobody asks, since the vendor refused the key or address.';

-- A vendor that does not know a symbol has said nothing of its bars.
ALTER TABLE coverage DROP CONSTRAINT IF EXISTS coverage_state_check;
ALTER TABLE coverage ADD CONSTRAINT coverage_state_check
    CHECK (state IN ('fetched', 'empty', 'failed', 'unreachable', 'unknown'));

-- How long after its close a bar is there; Polygon's plan says it, so that the settings do (`polygon_end_of_day`).
ALTER TABLE source ADD COLUMN IF NOT EXISTS delay interval NOT NULL DEFAULT '15 minutes' CHECK (delay >= '0');
