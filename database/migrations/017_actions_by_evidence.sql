-- Corporate actions become a history: what a source told, from when until when, and how each telling stood.

CREATE OR REPLACE FUNCTION touch_updated_at() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END
$$;

ALTER TABLE corporate_action ADD COLUMN IF NOT EXISTS until timestamptz;
ALTER TABLE corporate_action DROP CONSTRAINT IF EXISTS corporate_action_instrument_kind_effective_source_key;
CREATE UNIQUE INDEX IF NOT EXISTS corporate_action_newest
    ON corporate_action (instrument, kind, effective, source) WHERE until IS NULL;
CREATE INDEX IF NOT EXISTS idx_corporate_action_instrument ON corporate_action (instrument, kind, effective);

COMMENT ON COLUMN corporate_action.learnt_at IS 'When the source first told it so.';
COMMENT ON COLUMN corporate_action.until IS 'When the source told it differently, or not any more; NULL while it still does.';

CREATE TABLE IF NOT EXISTS action_standing (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    action bigint NOT NULL REFERENCES corporate_action ON DELETE CASCADE,
    standing text NOT NULL CHECK (standing IN ('accepted', 'rejected')),
    evidence jsonb NOT NULL,
    since timestamptz NOT NULL,
    until timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE UNIQUE INDEX IF NOT EXISTS action_standing_newest ON action_standing (action) WHERE until IS NULL;
CREATE INDEX IF NOT EXISTS idx_action_standing_action ON action_standing (action);

DROP TRIGGER IF EXISTS action_standing_updated_at ON action_standing;
CREATE TRIGGER action_standing_updated_at BEFORE UPDATE ON action_standing
    FOR EACH ROW EXECUTE FUNCTION touch_updated_at();

COMMENT ON COLUMN action_standing.evidence IS 'What decided: the prices around the day, or the order of the sources.';

CREATE TABLE IF NOT EXISTS action_reading (
    instrument integer NOT NULL,
    source smallint NOT NULL,
    first_day date NOT NULL,
    last_day date NOT NULL,
    read_at timestamptz NOT NULL DEFAULT now(),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (instrument, source)
);

DROP TRIGGER IF EXISTS action_reading_updated_at ON action_reading;
CREATE TRIGGER action_reading_updated_at BEFORE UPDATE ON action_reading
    FOR EACH ROW EXECUTE FUNCTION touch_updated_at();

COMMENT ON TABLE action_reading IS 'Over which days a source was asked for actions: what it did not tell, it does not know.';

-- Until now the source with the smallest number had its way; what is decided anew says so by its own evidence.
INSERT INTO action_standing (action, standing, evidence, since)
SELECT id, CASE WHEN rank = 1 THEN 'accepted' ELSE 'rejected' END, '{"by": "order"}', learnt_at
FROM (
    SELECT id, learnt_at, rank() OVER (PARTITION BY instrument, kind, effective ORDER BY source) AS rank
    FROM corporate_action
    WHERE until IS NULL AND ratio IS DISTINCT FROM 1
) AS told
WHERE NOT EXISTS (SELECT FROM action_standing WHERE action_standing.action = told.id);
