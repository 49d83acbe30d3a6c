-- Rows that failed a hard check, with the reason and the vendor's own words.

CREATE OR REPLACE FUNCTION touch_updated_at() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END
$$;

CREATE TABLE IF NOT EXISTS quarantine (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    instrument integer NOT NULL,
    timeframe smallint NOT NULL,
    time timestamptz,
    source smallint,
    fetch_id bigint,
    reason text NOT NULL,
    payload text,
    status text NOT NULL DEFAULT 'quarantined' CHECK (status IN ('quarantined', 'released', 'rejected')),
    released_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- Unreadable rows have no time, rows of other tools no source: unknowns are equal here.
CREATE UNIQUE INDEX IF NOT EXISTS quarantine_once ON quarantine (
    instrument, timeframe, coalesce(source, 0::smallint), coalesce(time, '-infinity'::timestamptz),
    reason, md5(coalesce(payload, ''))
);

DROP TRIGGER IF EXISTS quarantine_updated_at ON quarantine;
CREATE TRIGGER quarantine_updated_at BEFORE UPDATE ON quarantine
    FOR EACH ROW EXECUTE FUNCTION touch_updated_at();
