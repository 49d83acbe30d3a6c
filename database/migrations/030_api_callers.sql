-- What keys of the API need beyond their hash: a name each, a time to change over, browsers that signed in, calls made.

ALTER TABLE api_key ADD COLUMN IF NOT EXISTS former_hash bytea UNIQUE;
ALTER TABLE api_key ADD COLUMN IF NOT EXISTS former_until timestamptz;
CREATE UNIQUE INDEX IF NOT EXISTS api_key_name ON api_key (name);

ALTER TABLE api_key_audit ADD COLUMN IF NOT EXISTS name text;

-- A browser's cookie, of which only the hash is kept; it ends with its key.
CREATE TABLE IF NOT EXISTS api_session (
    hash bytea PRIMARY KEY,
    key_id integer NOT NULL REFERENCES api_key (id) ON DELETE CASCADE,
    expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX IF NOT EXISTS api_session_key ON api_session (key_id);

-- The calls of a caller in each second of the last minute; those that a process may still make are in it.
CREATE TABLE IF NOT EXISTS api_usage (
    subject text NOT NULL,
    second bigint NOT NULL,
    calls integer NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (subject, second)
);

DROP TRIGGER IF EXISTS api_usage_updated_at ON api_usage;
CREATE TRIGGER api_usage_updated_at BEFORE UPDATE ON api_usage
    FOR EACH ROW EXECUTE FUNCTION touch_updated_at();
