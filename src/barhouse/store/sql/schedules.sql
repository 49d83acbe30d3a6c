-- name: lead
-- Whether this session leads from now on, until it ends or lets go.
SELECT pg_try_advisory_lock(%(lock)s);

-- name: detect
-- Makes the server notice within seconds when the leader's machine is gone.
SELECT set_config('tcp_keepalives_idle', '2', false), set_config('tcp_keepalives_interval', '1', false),
       set_config('tcp_keepalives_count', '3', false), set_config('tcp_user_timeout', '5000', false);

-- name: enthrone
-- Writes down who leads, with which settings.
INSERT INTO scheduler_leader AS known (owner, backend, since, heartbeat_at, settings)
VALUES (%(owner)s, pg_backend_pid(), clock_timestamp(), clock_timestamp(), %(settings)s)
ON CONFLICT (one) DO UPDATE
SET owner = excluded.owner, backend = excluded.backend, since = excluded.since, heartbeat_at = excluded.heartbeat_at,
    resigned = false, settings = excluded.settings;

-- name: beat
-- The leader shows that it lives; the instant, by the clock of the database.
UPDATE scheduler_leader SET heartbeat_at = clock_timestamp(), resigned = false
WHERE backend = pg_backend_pid()
RETURNING heartbeat_at;

-- name: resign
-- The leader says that it ends.
UPDATE scheduler_leader SET resigned = true WHERE backend = pg_backend_pid();

-- name: depose
-- Ends the session of a leader that has given no sign of life, though its connection stands.
SELECT pg_terminate_backend(l.pid)
FROM scheduler_leader s
JOIN pg_locks l ON l.locktype = 'advisory' AND l.granted AND l.pid = s.backend
 AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
 AND (l.classid::bigint << 32 | l.objid::bigint) = %(lock)s
WHERE s.heartbeat_at < clock_timestamp() - %(silence)s::interval;

-- name: leader
-- Who leads, since when, with which settings, and whether it shows that it lives.
SELECT owner, since, settings, NOT resigned AND heartbeat_at > clock_timestamp() - %(lease)s::interval AS lives
FROM scheduler_leader;

-- name: dissent
-- Somebody who would lead has settings that differ from the leader's.
INSERT INTO scheduler_dissenter (owner, differs, seen_at)
VALUES (%(owner)s, %(differs)s, clock_timestamp())
ON CONFLICT (owner) DO UPDATE SET differs = excluded.differs, seen_at = excluded.seen_at;

-- name: agree
-- Somebody has settings that differ no more; those who were not seen for a day are forgotten with it.
DELETE FROM scheduler_dissenter WHERE owner = %(owner)s OR seen_at < clock_timestamp() - interval '1 day';

-- name: dissenters
-- Whose settings differ from the leader's, and how.
SELECT owner, differs
FROM scheduler_dissenter
WHERE seen_at > clock_timestamp() - %(lease)s::interval
ORDER BY owner;

-- name: now
-- The clock by which schedules fire.
SELECT clock_timestamp();

-- name: arrange
-- The schedules as the leader has them. One whose time has passed keeps it, whatever its new times are.
INSERT INTO schedule AS known (name, cron, enabled, follows, followed_at, next_fire_at)
SELECT told.name, told.cron, told.enabled, told.follows, %(now)s, told.next
FROM unnest(%(names)s::text[], %(crons)s::text[], %(enabled)s::bool[], %(follows)s::text[], %(nexts)s::timestamptz[])
     AS told (name, cron, enabled, follows, next)
ORDER BY told.follows NULLS FIRST
ON CONFLICT (name) DO UPDATE
SET cron = excluded.cron, enabled = excluded.enabled, follows = excluded.follows,
    followed_at = CASE WHEN known.follows IS NULL OR NOT known.enabled THEN excluded.followed_at
                       ELSE known.followed_at END,
    next_fire_at = CASE WHEN excluded.next_fire_at IS NULL THEN NULL
                        WHEN known.next_fire_at <= %(now)s THEN known.next_fire_at
                        WHEN known.cron = excluded.cron AND known.next_fire_at IS NOT NULL THEN known.next_fire_at
                        ELSE excluded.next_fire_at END;

-- name: forget_classes
-- Forgets which symbols are fetched before others.
DELETE FROM refresh_class;

-- name: classify
-- Which symbols are fetched before others; one that is critical is nothing else.
INSERT INTO refresh_class (symbol, class)
SELECT DISTINCT ON (symbol) symbol, class
FROM unnest(%(symbols)s::text[], %(classes)s::text[]) AS told (symbol, class)
ORDER BY symbol, class
ON CONFLICT DO NOTHING;

-- name: due
-- The schedules whose time has come, or for which what they follow has ended, with what moving them on depends on.
SELECT s.name, s.next_fire_at, s.followed_at, s.paused_at IS NOT NULL AS paused, s.job_id, f.last_fired_at AS after
FROM schedule s
LEFT JOIN schedule f ON f.name = s.follows
WHERE s.enabled
  AND (s.next_fire_at <= %(now)s
       OR f.last_fired_at > s.followed_at
          AND NOT EXISTS (SELECT FROM job_state j WHERE j.job_id = f.job_id AND j.status IN ('queued', 'in_progress')))
ORDER BY s.follows NULLS FIRST, s.name;

-- name: advance
-- Moves a schedule on, unless somebody else has done so since: who does, fires.
UPDATE schedule
SET next_fire_at = %(next)s, followed_at = coalesce(%(after)s, followed_at)
WHERE name = %(name)s AND next_fire_at IS NOT DISTINCT FROM %(seen)s
  AND followed_at IS NOT DISTINCT FROM %(followed)s;

-- name: fire
-- Writes down that a schedule has fired, what for and by whose hand.
UPDATE schedule
SET last_fired_at = %(now)s, fired = fired + 1, fired_by = %(by)s, job_id = %(job)s, is_open = %(open)s,
    last_result = %(result)s
WHERE name = %(name)s;

-- name: left_open
-- What the leader itself still has to do.
SELECT name FROM schedule WHERE is_open ORDER BY name;

-- name: close
-- Writes down what came of it.
UPDATE schedule SET is_open = false, last_result = %(result)s WHERE name = %(name)s;

-- name: look
-- Lets the health schedule fire as soon as the leader looks, unless it did so within the hour.
UPDATE schedule SET next_fire_at = clock_timestamp()
WHERE name = 'health' AND enabled
  AND coalesce(last_fired_at < clock_timestamp() - interval '1 hour', true);

-- name: pause
-- Some schedules fire no more; says which of them were not paused before.
UPDATE schedule SET paused_at = clock_timestamp(), paused_by = %(by)s
WHERE name = ANY (%(names)s) AND paused_at IS NULL
RETURNING name;

-- name: resume
-- Some schedules go on; says which of them were paused.
UPDATE schedule SET paused_at = NULL, paused_by = NULL
WHERE name = ANY (%(names)s) AND paused_at IS NOT NULL
RETURNING name;

-- name: ensure
-- Makes sure that some schedules are known, though nobody has led yet; the first leader arranges them.
INSERT INTO schedule (name, cron, enabled)
SELECT name, '', true FROM unnest(%(names)s::text[]) AS told (name)
ON CONFLICT DO NOTHING;

-- name: listed
-- The schedules, each with its next time; one that follows another has the other's.
SELECT s.name, s.cron, s.enabled, s.follows, s.paused_at, s.paused_by,
       coalesce(f.next_fire_at, s.next_fire_at) AS next_fire_at, s.last_fired_at, s.fired, s.fired_by, s.job_id::text, j.status AS job_status, s.last_result
FROM schedule s
LEFT JOIN schedule f ON f.name = s.follows AND f.enabled
LEFT JOIN LATERAL (SELECT status FROM job_state j WHERE j.job_id = s.job_id) AS j ON true
ORDER BY array_position(%(order)s::text[], s.name);

-- name: last_backfill
-- What the last daily backfill that has ended came to.
SELECT r.successful_symbols AS success, r.failed_symbols AS failed, r.total_records_processed AS total_records,
       r.completed_at AS timestamp, r.successful_symbols + r.failed_symbols AS symbols_processed
FROM job j
JOIN scheduler_run r ON r.execution_id = j.run_id
WHERE j.requested_by = 'schedule:backfill' AND r.completed_at IS NOT NULL
ORDER BY r.completed_at DESC, j.created_at DESC
LIMIT 1;

-- name: classes
-- Which symbols are fetched before others.
SELECT symbol, class FROM refresh_class ORDER BY symbol;
