-- When exchanges trade: a row a session, kept so that the library of calendars is needed only to refresh it.

CREATE OR REPLACE FUNCTION touch_updated_at() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END
$$;

CREATE TABLE IF NOT EXISTS exchange (
    name text PRIMARY KEY,
    zone text NOT NULL,
    refreshed_at timestamptz,
    first_date date,
    last_date date,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

DROP TRIGGER IF EXISTS exchange_updated_at ON exchange;
CREATE TRIGGER exchange_updated_at BEFORE UPDATE ON exchange
    FOR EACH ROW EXECUTE FUNCTION touch_updated_at();

CREATE TABLE IF NOT EXISTS session (
    exchange text NOT NULL,
    date date NOT NULL,
    open timestamptz NOT NULL,
    close timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (exchange, date),
    CHECK (open < close)
);
