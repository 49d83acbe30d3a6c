-- Schedules: when each fires next, who may fire them, what came of it; waiting work has its turn by its refresh class.

CREATE OR REPLACE FUNCTION touch_updated_at() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END
$$;

CREATE TABLE IF NOT EXISTS schedule (
    name text PRIMARY KEY CHECK (name IN ('backfill', 'enrichment', 'health', 'critical', 'large', 'retention')),
    cron text NOT NULL,
    enabled boolean NOT NULL,
    follows text REFERENCES schedule (name),
    followed_at timestamptz,
    paused_at timestamptz,
    paused_by text,
    next_fire_at timestamptz,
    last_fired_at timestamptz,
    fired_by text,
    fired bigint NOT NULL DEFAULT 0 CHECK (fired >= 0),
    job_id uuid,
    is_open boolean NOT NULL DEFAULT false,
    last_result jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON COLUMN schedule.cron IS 'Five fields, in UTC, as the leader has it in its settings.';
COMMENT ON COLUMN schedule.follows IS 'It has no time of its own, but fires when the last job of this one has ended.';
COMMENT ON COLUMN schedule.followed_at IS 'The firing of the one it follows that it has answered.';
COMMENT ON COLUMN schedule.next_fire_at IS 'Whoever moves this on, in the transaction that asks for the job, has fired.';
COMMENT ON COLUMN schedule.job_id IS 'The job that its last firing asked for, new or shared.';
COMMENT ON COLUMN schedule.is_open IS 'Whether the leader itself still has to do what the last firing was for.';

DROP TRIGGER IF EXISTS schedule_updated_at ON schedule;
CREATE TRIGGER schedule_updated_at BEFORE UPDATE ON schedule
    FOR EACH ROW EXECUTE FUNCTION touch_updated_at();

-- One row: who leads. Leadership itself is an advisory lock that its backend holds.
CREATE TABLE IF NOT EXISTS scheduler_leader (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    owner text NOT NULL,
    backend integer NOT NULL,
    since timestamptz NOT NULL,
    heartbeat_at timestamptz NOT NULL,
    resigned boolean NOT NULL DEFAULT false,
    settings jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

DROP TRIGGER IF EXISTS scheduler_leader_updated_at ON scheduler_leader;
CREATE TRIGGER scheduler_leader_updated_at BEFORE UPDATE ON scheduler_leader
    FOR EACH ROW EXECUTE FUNCTION touch_updated_at();

-- Those who would lead, and have settings that differ from the leader's.
CREATE TABLE IF NOT EXISTS scheduler_dissenter (
    owner text PRIMARY KEY,
    differs text[] NOT NULL,
    seen_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

DROP TRIGGER IF EXISTS scheduler_dissenter_updated_at ON scheduler_dissenter;
CREATE TRIGGER scheduler_dissenter_updated_at BEFORE UPDATE ON scheduler_dissenter
    FOR EACH ROW EXECUTE FUNCTION touch_updated_at();

-- As the leader has them in its settings; symbols that are not named here are fetched after these.
CREATE TABLE IF NOT EXISTS refresh_class (
    symbol text PRIMARY KEY,
    class text NOT NULL CHECK (class IN ('critical', 'large')),
    created_at timestamptz NOT NULL DEFAULT now()
);

ALTER TABLE backfill_state_persistent
    ADD COLUMN IF NOT EXISTS fresh_since timestamptz;

COMMENT ON COLUMN backfill_state_persistent.fresh_since IS 'What was read since then is not read again.';
