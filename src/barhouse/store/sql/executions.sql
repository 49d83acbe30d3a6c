-- name: create
-- Makes a pending execution of a series that has no active one, and says which; nothing where there is one.
INSERT INTO backfill_state_persistent (symbol, asset_class, timeframe)
VALUES (%(symbol)s, %(asset_class)s, %(timeframe)s)
ON CONFLICT (symbol, asset_class, timeframe) WHERE status IN ('pending', 'in_progress') DO NOTHING
RETURNING execution_id;

-- name: open
-- Makes sure that each of some series has an active execution, and says which: new ones with this status.
WITH wanted AS (
    SELECT * FROM unnest(%(symbols)s::text[], %(classes)s::text[], %(timeframes)s::text[])
             AS wanted (symbol, asset_class, timeframe)
), made AS (
    INSERT INTO backfill_state_persistent (symbol, asset_class, timeframe, status, started_at, completed_at,
        lease_expires_at)
    SELECT symbol, asset_class, timeframe, %(status)s,
           CASE WHEN %(status)s = 'in_progress' THEN clock_timestamp() END,
           CASE WHEN %(status)s IN ('completed', 'failed') THEN clock_timestamp() END,
           CASE WHEN %(status)s = 'in_progress' THEN clock_timestamp() + %(lease)s::interval END
    FROM wanted
    WHERE NOT EXISTS (
        SELECT FROM backfill_state_persistent e
        WHERE (e.symbol, e.asset_class, e.timeframe) = (wanted.symbol, wanted.asset_class, wanted.timeframe)
          AND e.status IN ('pending', 'in_progress')
    )
    ORDER BY symbol, asset_class, timeframe
    ON CONFLICT (symbol, asset_class, timeframe) WHERE status IN ('pending', 'in_progress') DO NOTHING
    RETURNING symbol, asset_class, timeframe, execution_id
)
SELECT symbol, asset_class, timeframe, execution_id FROM made
UNION ALL
SELECT e.symbol, e.asset_class, e.timeframe, e.execution_id
FROM backfill_state_persistent e
JOIN wanted USING (symbol, asset_class, timeframe)
WHERE e.status IN ('pending', 'in_progress');

-- name: update
-- Moves an execution that is not finished yet; what is not told stays. The lease is renewed where no token guards it.
UPDATE backfill_state_persistent
SET status = %(status)s,
    records_inserted = coalesce(%(records)s::bigint, records_inserted),
    error_message = coalesce(%(error)s::text, error_message),
    retry_count = coalesce(%(retries)s::int, retry_count),
    started_at = CASE WHEN %(status)s = 'in_progress' THEN coalesce(started_at, clock_timestamp()) ELSE started_at END,
    completed_at = CASE WHEN %(status)s IN ('completed', 'failed') THEN clock_timestamp() END,
    lease_token = CASE WHEN %(status)s = 'in_progress' THEN lease_token END,
    lease_expires_at = CASE WHEN %(status)s <> 'in_progress' THEN NULL
                            WHEN lease_token IS NULL THEN clock_timestamp() + %(lease)s::interval
                            ELSE lease_expires_at END
WHERE execution_id = %(execution)s AND status IN ('pending', 'in_progress');

-- name: active
-- The executions that are under way, oldest first.
SELECT execution_id::text, symbol, asset_class, timeframe, status, started_at, retry_count, max_retries
FROM backfill_state_persistent
WHERE status = 'in_progress'
ORDER BY started_at, id;

-- name: under_way
-- How far the executions have come whose workers live, and know how much there is to do.
SELECT symbol, asset_class, timeframe, bars_done, bars_expected
FROM backfill_state_persistent
WHERE status = 'in_progress' AND lease_expires_at > clock_timestamp() AND bars_expected > 0;

-- name: claim
-- Gives out those of some executions that nobody holds; one that was dropped too often before is failed instead.
WITH free AS (
    SELECT id, status = 'in_progress' AS dropped
    FROM backfill_state_persistent
    WHERE execution_id = ANY (%(executions)s)
      AND (status = 'pending'
           OR status = 'in_progress' AND coalesce(lease_expires_at <= clock_timestamp(), true))
    ORDER BY id
    FOR UPDATE SKIP LOCKED
), taken AS (
    UPDATE backfill_state_persistent e
    SET status = 'in_progress', started_at = coalesce(started_at, clock_timestamp()),
        retry_count = retry_count + dropped::int, owner = %(owner)s, run_id = %(run)s, bars_done = 0,
        bars_expected = NULL, lease_token = gen_random_uuid(), heartbeat_at = clock_timestamp(),
        lease_expires_at = clock_timestamp() + %(lease)s::interval
    FROM free
    WHERE e.id = free.id AND retry_count + dropped::int <= max_retries
    RETURNING execution_id, lease_token
), given_up AS (
    UPDATE backfill_state_persistent e
    SET status = 'failed', completed_at = clock_timestamp(), lease_token = NULL, lease_expires_at = NULL,
        error_message = format('Given up: its worker ended in the midst of it %%s times', retry_count + 1)
    FROM free
    WHERE e.id = free.id AND retry_count + dropped::int > max_retries
)
SELECT execution_id, lease_token FROM taken;

-- name: wished
-- What jobs want of some executions.
SELECT execution_id, wanted_start, wanted_end
FROM backfill_state_persistent
WHERE execution_id = ANY (%(executions)s) AND wanted_start IS NOT NULL;

-- name: hold
-- Which of some claims still stand; until the transaction ends nobody else can take them over.
SELECT e.execution_id
FROM backfill_state_persistent e
JOIN unnest(%(executions)s::uuid[], %(tokens)s::uuid[]) AS held (execution_id, token)
  ON e.execution_id = held.execution_id AND e.lease_token = held.token
WHERE e.status = 'in_progress'
ORDER BY e.id
FOR NO KEY UPDATE OF e;

-- name: beat
-- Renews the leases of claims that still stand, but for those that are being written just now; says which are lost.
WITH held AS (
    SELECT * FROM unnest(%(executions)s::uuid[], %(tokens)s::uuid[]) AS held (execution_id, token)
), still AS (
    SELECT e.id
    FROM backfill_state_persistent e
    JOIN held ON e.execution_id = held.execution_id AND e.lease_token = held.token
    WHERE e.status = 'in_progress'
    ORDER BY e.id
    FOR UPDATE OF e SKIP LOCKED
), renewed AS (
    UPDATE backfill_state_persistent e
    SET heartbeat_at = clock_timestamp(), lease_expires_at = clock_timestamp() + %(lease)s::interval
    FROM still
    WHERE e.id = still.id
)
SELECT held.execution_id
FROM held
LEFT JOIN backfill_state_persistent e ON e.execution_id = held.execution_id
WHERE e.lease_token IS DISTINCT FROM held.token OR e.status <> 'in_progress';

-- name: expect
-- Writes down how many bars each execution has before it.
UPDATE backfill_state_persistent e
SET bars_expected = told.expected
FROM unnest(%(executions)s::uuid[], %(expected)s::bigint[]) AS told (execution_id, expected)
WHERE e.execution_id = told.execution_id;

-- name: advance
-- Writes down what was kept for some executions, whose leases it renews.
UPDATE backfill_state_persistent e
SET records_inserted = e.records_inserted + kept.inserted, records_updated = e.records_updated + kept.updated,
    bars_done = e.bars_done + kept.done, heartbeat_at = clock_timestamp(),
    lease_expires_at = clock_timestamp() + %(lease)s::interval
FROM unnest(%(executions)s::uuid[], %(inserted)s::bigint[], %(updated)s::bigint[], %(done)s::bigint[])
     AS kept (execution_id, inserted, updated, done)
WHERE e.execution_id = kept.execution_id;

-- name: finish
-- Ends executions whose claims still stand, and says which those are.
UPDATE backfill_state_persistent e
SET status = told.status, error_message = told.error, completed_at = clock_timestamp(), lease_token = NULL,
    lease_expires_at = NULL
FROM unnest(%(executions)s::uuid[], %(tokens)s::uuid[], %(statuses)s::text[], %(errors)s::text[])
     AS told (execution_id, token, status, error)
WHERE e.execution_id = told.execution_id AND e.lease_token = told.token AND e.status = 'in_progress'
RETURNING e.execution_id;

-- name: again
-- Keeps executions that failed for another try, where they allow one more and their claims still stand; says which.
UPDATE backfill_state_persistent e
SET retry_count = e.retry_count + 1, error_message = told.error, heartbeat_at = clock_timestamp(),
    lease_expires_at = clock_timestamp() + %(lease)s::interval
FROM unnest(%(executions)s::uuid[], %(tokens)s::uuid[], %(errors)s::text[]) AS told (execution_id, token, error)
WHERE e.execution_id = told.execution_id AND e.lease_token = told.token AND e.status = 'in_progress'
  AND e.retry_count < e.max_retries
RETURNING e.execution_id;

-- name: release
-- Gives back executions whose claims still stand, for others to take.
UPDATE backfill_state_persistent e
SET status = 'pending', owner = NULL, lease_token = NULL, lease_expires_at = NULL
FROM unnest(%(executions)s::uuid[], %(tokens)s::uuid[]) AS held (execution_id, token)
WHERE e.execution_id = held.execution_id AND e.lease_token = held.token AND e.status = 'in_progress';

-- name: bury
-- Ends executions of runs whose workers died; those that jobs want are delivered again instead.
UPDATE backfill_state_persistent e
SET status = 'failed', completed_at = clock_timestamp(), lease_token = NULL, lease_expires_at = NULL,
    error_message = 'Its worker ended in the midst of it; the next backfill of the series goes on there'
FROM (SELECT id FROM backfill_state_persistent
      WHERE status = 'in_progress' AND run_id IS NOT NULL AND wanted_start IS NULL
        AND lease_expires_at <= clock_timestamp()
      ORDER BY id FOR UPDATE SKIP LOCKED) AS dead
WHERE e.id = dead.id;

-- name: orphan
-- Gives back all executions that workers had in hand in a copy of the database, where none of them is.
UPDATE backfill_state_persistent
SET status = 'pending', owner = NULL, lease_token = NULL, lease_expires_at = NULL
WHERE status = 'in_progress';
