-- Health runs, the incidents that came of them, and what was told of these to whom.

CREATE OR REPLACE FUNCTION touch_updated_at() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END
$$;

CREATE TABLE IF NOT EXISTS health_run (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_at timestamptz NOT NULL,
    status text NOT NULL CHECK (status IN ('healthy', 'warning', 'critical')),
    stale_symbols integer NOT NULL CHECK (stale_symbols >= 0),
    failed_symbols integer NOT NULL CHECK (failed_symbols >= 0),
    anomalies_detected bigint NOT NULL CHECK (anomalies_detected >= 0),
    alerts_triggered integer NOT NULL CHECK (alerts_triggered >= 0),
    duration_ms double precision NOT NULL,
    details jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX IF NOT EXISTS health_run_latest ON health_run (run_at DESC, id DESC);

CREATE TABLE IF NOT EXISTS alert_incident (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    incident_id uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),
    rule text NOT NULL,
    cause text NOT NULL,
    severity text NOT NULL CHECK (severity IN ('warning', 'critical')),
    message text NOT NULL,
    subjects text[] NOT NULL DEFAULT '{}',
    status text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'delivered', 'over')),
    opened_at timestamptz NOT NULL,
    delivered_at timestamptz,
    over_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON COLUMN alert_incident.cause IS 'The root: a vendor, a rate, or the first of the subjects.';
COMMENT ON COLUMN alert_incident.subjects IS 'The symbols that suffer from it, SYMBOL CLASS each.';

-- The same cause is one incident until it is over.
CREATE UNIQUE INDEX IF NOT EXISTS alert_incident_open ON alert_incident (rule, cause) WHERE status <> 'over';

DROP TRIGGER IF EXISTS alert_incident_updated_at ON alert_incident;
CREATE TRIGGER alert_incident_updated_at BEFORE UPDATE ON alert_incident
    FOR EACH ROW EXECUTE FUNCTION touch_updated_at();

-- A row a message: it is claimed before it is sent, and marked when it was delivered.
CREATE TABLE IF NOT EXISTS alert_delivery (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    delivery_id uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),
    incident bigint NOT NULL REFERENCES alert_incident (id),
    event text NOT NULL CHECK (event IN ('opened', 'over')),
    channel text NOT NULL,
    status text NOT NULL DEFAULT 'waiting' CHECK (status IN ('waiting', 'sending', 'delivered', 'dropped')),
    attempts integer NOT NULL DEFAULT 0,
    next_try_at timestamptz NOT NULL DEFAULT '-infinity',
    claimed_until timestamptz,
    delivered_at timestamptz,
    error text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (incident, event, channel)
);

COMMENT ON COLUMN alert_delivery.channel IS 'Its kind and a hash of its address: addresses bear secrets.';

CREATE INDEX IF NOT EXISTS alert_delivery_due ON alert_delivery (next_try_at) WHERE status IN ('waiting', 'sending');

DROP TRIGGER IF EXISTS alert_delivery_updated_at ON alert_delivery;
CREATE TRIGGER alert_delivery_updated_at BEFORE UPDATE ON alert_delivery
    FOR EACH ROW EXECUTE FUNCTION touch_updated_at();
