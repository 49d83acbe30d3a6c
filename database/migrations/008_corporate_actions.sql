-- Splits and dividends, by the source that told them and the moment at which we learnt them.

CREATE OR REPLACE FUNCTION touch_updated_at() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END
$$;

CREATE TABLE IF NOT EXISTS corporate_action (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    instrument integer NOT NULL,
    kind text NOT NULL CHECK (kind IN ('split', 'dividend')),
    effective date NOT NULL,
    ratio double precision CHECK (ratio > 0),
    amount double precision,
    currency text,
    source smallint NOT NULL,
    learnt_at timestamptz NOT NULL DEFAULT now(),
    fetch_id bigint,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (instrument, kind, effective, source),
    CHECK (CASE kind WHEN 'split' THEN ratio IS NOT NULL ELSE amount IS NOT NULL END)
);

DROP TRIGGER IF EXISTS corporate_action_updated_at ON corporate_action;
CREATE TRIGGER corporate_action_updated_at BEFORE UPDATE ON corporate_action
    FOR EACH ROW EXECUTE FUNCTION touch_updated_at();

COMMENT ON COLUMN corporate_action.ratio IS 'n of an n:1 split.';
