-- Who may use the API, and what was done with the keys. A key itself is never stored, only its hash.

CREATE OR REPLACE FUNCTION touch_updated_at() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END
$$;

CREATE TABLE IF NOT EXISTS api_key (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL CHECK (name <> ''),
    prefix text NOT NULL,
    hash bytea NOT NULL UNIQUE,
    role text NOT NULL DEFAULT 'read' CHECK (role IN ('read', 'operate', 'admin')),
    tier text NOT NULL DEFAULT 'standard' CHECK (tier IN ('free', 'standard', 'unlimited')),
    expires_at timestamptz,
    revoked_at timestamptz,
    last_used_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

DROP TRIGGER IF EXISTS api_key_updated_at ON api_key;
CREATE TRIGGER api_key_updated_at BEFORE UPDATE ON api_key
    FOR EACH ROW EXECUTE FUNCTION touch_updated_at();

-- No foreign key: the audit outlives a deleted key.
CREATE TABLE IF NOT EXISTS api_key_audit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key_id integer NOT NULL,
    action text NOT NULL CHECK (action IN ('created', 'rotated', 'revoked', 'restored', 'deleted')),
    actor text,
    details text,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX IF NOT EXISTS api_key_audit_key ON api_key_audit (key_id, created_at);
