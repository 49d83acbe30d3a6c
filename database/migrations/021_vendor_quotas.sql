-- What vendors allow whom, and the calls that were let out: kept here, since keys and addresses are shared by processes.

CREATE OR REPLACE FUNCTION touch_updated_at() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END
$$;

CREATE TABLE IF NOT EXISTS vendor_quota (
    source text NOT NULL,
    holder text NOT NULL,
    most integer NOT NULL CHECK (most >= 0),
    seconds double precision NOT NULL CHECK (seconds > 0),
    by_the_clock boolean NOT NULL,
    held_until timestamptz NOT NULL DEFAULT '-infinity',
    day date NOT NULL,
    sends bigint NOT NULL DEFAULT 0,
    refusals bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (source, holder)
) WITH (fillfactor = 50);

COMMENT ON COLUMN vendor_quota.holder IS 'Whom it counts for: the SHA-256 of a key, or the name of an address.';
COMMENT ON COLUMN vendor_quota.most IS 'Sends in any window of `seconds`, or weight in a clock minute; 0 is no limit.';
COMMENT ON COLUMN vendor_quota.held_until IS 'Until when the vendor wants no call at all.';
COMMENT ON COLUMN vendor_quota.day IS 'The day, in UTC, of `sends` and of `refusals` (429 and the like).';

DROP TRIGGER IF EXISTS vendor_quota_updated_at ON vendor_quota;
CREATE TRIGGER vendor_quota_updated_at BEFORE UPDATE ON vendor_quota
    FOR EACH ROW EXECUTE FUNCTION touch_updated_at();

-- A row a call: until it leaves, leaves_at says when it may; then, when it did.
CREATE TABLE IF NOT EXISTS vendor_send (
    id uuid PRIMARY KEY,
    source text NOT NULL,
    holder text NOT NULL,
    leaves_at timestamptz NOT NULL,
    weight integer NOT NULL CHECK (weight > 0),
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX IF NOT EXISTS vendor_send_order ON vendor_send (source, holder, leaves_at);
