-- Which spans of a series were asked of a source, and what came of it: an empty answer is never an unread one.

CREATE OR REPLACE FUNCTION touch_updated_at() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END
$$;

CREATE TABLE IF NOT EXISTS coverage (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    instrument integer NOT NULL,
    timeframe smallint NOT NULL,
    source smallint NOT NULL,
    span_start timestamptz NOT NULL,
    span_end timestamptz NOT NULL,
    state text NOT NULL CHECK (state IN ('fetched', 'empty', 'failed', 'unreachable')),
    read_at timestamptz NOT NULL,
    fetch_id bigint,
    reason text,
    attempts integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CHECK (span_start < span_end)
);

CREATE INDEX IF NOT EXISTS coverage_series ON coverage (instrument, timeframe, source, span_start);

DROP TRIGGER IF EXISTS coverage_updated_at ON coverage;
CREATE TRIGGER coverage_updated_at BEFORE UPDATE ON coverage
    FOR EACH ROW EXECUTE FUNCTION touch_updated_at();
