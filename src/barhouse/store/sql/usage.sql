-- name: hurry
-- Lets this transaction end before it is on the disk: a crash may forget the calls of its last moment.
SET LOCAL synchronous_commit TO off;

-- name: take_turns
-- Waits until nobody else counts the calls of these callers.
SELECT pg_advisory_xact_lock(7236837, number)
FROM (SELECT DISTINCT hashtext(subject) | 16 AS number FROM unnest(%(subjects)s::text[]) AS subject ORDER BY number) told;

-- name: give_back
-- Takes out of the count what was granted and not used.
UPDATE api_usage u SET calls = greatest(0, u.calls - told.unused)
FROM unnest(%(subjects)s::text[], %(seconds)s::bigint[], %(unused)s::int[]) AS told (subject, second, unused)
WHERE u.subject = told.subject AND u.second = told.second AND told.unused > 0;

-- name: grant
-- How many calls each may make that it wants to make, how many were left then, and in how many seconds more will be.
WITH now AS (
    SELECT floor(extract(epoch FROM clock_timestamp()))::bigint AS second
), asked AS (
    SELECT subject, most, wanted
    FROM unnest(%(subjects)s::text[], %(most)s::int[], %(wanted)s::int[]) AS asked (subject, most, wanted)
), told AS (
    SELECT a.subject, now.second, a.most, a.wanted,
           coalesce(sum(u.calls), 0)::int AS used, coalesce(min(u.second) + 60 - now.second, 60)::int AS wait
    FROM asked a CROSS JOIN now
    LEFT JOIN api_usage u ON u.subject = a.subject AND u.second > now.second - 60 AND u.calls > 0
    GROUP BY a.subject, now.second, a.most, a.wanted
), granted AS (
    SELECT subject, second, greatest(0, least(wanted, most - used)) AS calls, greatest(0, most - used) AS free, wait
    FROM told
), kept AS (
    INSERT INTO api_usage AS known (subject, second, calls)
    SELECT subject, second, calls FROM granted WHERE calls > 0
    ON CONFLICT (subject, second) DO UPDATE SET calls = known.calls + excluded.calls
)
SELECT subject, second, calls, free - calls AS beyond, wait FROM granted;

-- name: forget
-- Forgets calls that count no more.
DELETE FROM api_usage WHERE second < floor(extract(epoch FROM clock_timestamp()))::bigint - 120;
