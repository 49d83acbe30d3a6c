-- name: take
-- Makes all others who ask under this quota wait for the end of the transaction; counts `sends` and `refusals` of a day.
-- For how many seconds the key or address is refused, and in which words; nothing is sent then.
INSERT INTO vendor_quota AS known (source, holder, most, seconds, by_the_clock, day, sends, refusals)
VALUES (%(source)s, %(holder)s, %(most)s, %(window)s, %(by_the_clock)s, (now() AT TIME ZONE 'UTC')::date,
        %(sends)s, %(refusals)s)
ON CONFLICT (source, holder) DO UPDATE
SET most = excluded.most, seconds = excluded.seconds, by_the_clock = excluded.by_the_clock, day = excluded.day,
    sends = CASE WHEN known.refused_until > now() THEN 0 ELSE excluded.sends END
        + CASE WHEN known.day = excluded.day THEN known.sends ELSE 0 END,
    refusals = excluded.refusals + CASE WHEN known.day = excluded.day THEN known.refusals ELSE 0 END
RETURNING CASE WHEN refused_until > clock_timestamp() THEN extract(epoch FROM refused_until - clock_timestamp()) ELSE 0 END
              ::float8, coalesce(refused_because, '');

-- name: refuse
-- Lets nobody ask for so many seconds: the vendor refused the key or address, in these words.
UPDATE vendor_quota
SET refused_until = clock_timestamp() + make_interval(secs => %(wait)s), refused_because = %(why)s
WHERE source = %(source)s AND holder = %(holder)s;

-- name: reopen
-- Lets the keys and addresses that were refused be tried again.
UPDATE vendor_quota SET refused_until = '-infinity' WHERE refused_until > clock_timestamp();

-- name: within_a_window
-- Gives a ticket the first moment at which no window holds more than `most` sends: how long until then, and how long
-- the vendor wants quiet, in seconds, and how many sends the window holds by then.
-- Who asks first stands behind all who wait; who comes back is let out if those that left allow it.
WITH clock AS MATERIALIZED (
    SELECT clock_timestamp() AS now, make_interval(secs => %(window)s) AS stretch
), forgotten AS (
    DELETE FROM vendor_send USING clock
    WHERE source = %(source)s AND holder = %(holder)s AND leaves_at < now - 2 * stretch
), others AS MATERIALIZED (
    SELECT leaves_at
    FROM vendor_send, clock
    WHERE source = %(source)s AND holder = %(holder)s AND id <> %(ticket)s
      AND leaves_at >= now - stretch AND (%(first)s OR leaves_at <= now)
), due AS (
    SELECT greatest(now, held_until, (
               SELECT leaves_at + stretch
               FROM others
               WHERE %(most)s > 0
               ORDER BY leaves_at DESC OFFSET greatest(%(most)s - 1, 0) LIMIT 1
           )) AS leaves_at,
           now, held_until
    FROM vendor_quota, clock
    WHERE source = %(source)s AND holder = %(holder)s
), given AS (
    INSERT INTO vendor_send (id, source, holder, leaves_at, weight)
    SELECT %(ticket)s, %(source)s, %(holder)s, leaves_at, %(weight)s FROM due
    ON CONFLICT (id) DO UPDATE SET leaves_at = excluded.leaves_at
)
SELECT extract(epoch FROM leaves_at - now)::float8, extract(epoch FROM greatest(held_until, now) - now)::float8,
       (SELECT count(*) + 1 FROM others)
FROM due;

-- name: within_a_minute
-- Gives a ticket the first clock minute that has `weight` left of `most`: how long until then, and how long the vendor
-- wants quiet, in seconds, and the weight used in that minute by then.
WITH clock AS MATERIALIZED (
    SELECT clock_timestamp() AS now
), forgotten AS (
    DELETE FROM vendor_send USING clock
    WHERE source = %(source)s AND holder = %(holder)s AND leaves_at < now - interval '2 minutes'
), used AS MATERIALIZED (
    SELECT date_trunc('minute', leaves_at) AS minute, sum(weight) AS weight
    FROM vendor_send, clock
    WHERE source = %(source)s AND holder = %(holder)s AND id <> %(ticket)s
      AND leaves_at >= date_trunc('minute', now) AND (%(first)s OR leaves_at <= now)
    GROUP BY 1
), earliest AS (
    SELECT greatest(now, held_until) AS leaves_at, now, held_until
    FROM vendor_quota, clock
    WHERE source = %(source)s AND holder = %(holder)s
), due AS (
    SELECT greatest(earliest.leaves_at, minute) AS leaves_at, now, held_until,
           coalesce(used.weight, 0) + %(weight)s AS weight
    FROM earliest,
         generate_series(
             date_trunc('minute', leaves_at),
             greatest(leaves_at, (SELECT max(minute) FROM used)) + interval '1 minute',
             interval '1 minute'
         ) AS minute
         LEFT JOIN used USING (minute)
    WHERE coalesce(used.weight, 0) + %(weight)s <= %(most)s
    ORDER BY minute
    LIMIT 1
), given AS (
    INSERT INTO vendor_send (id, source, holder, leaves_at, weight)
    SELECT %(ticket)s, %(source)s, %(holder)s, leaves_at, %(weight)s FROM due
    ON CONFLICT (id) DO UPDATE SET leaves_at = excluded.leaves_at
)
SELECT extract(epoch FROM leaves_at - now)::float8, extract(epoch FROM greatest(held_until, now) - now)::float8, weight
FROM due;

-- name: withdraw
-- Takes a ticket back that nobody will use.
DELETE FROM vendor_send WHERE id = %(ticket)s;

-- name: hold
-- Lets no call leave for some seconds.
UPDATE vendor_quota
SET held_until = greatest(held_until, clock_timestamp() + make_interval(secs => %(wait)s))
WHERE source = %(source)s AND holder = %(holder)s;

-- name: correct
-- Adds what others at the same address used of this clock minute, where the vendor counted more than was let out here.
INSERT INTO vendor_send (id, source, holder, leaves_at, weight)
SELECT %(ticket)s, %(source)s, %(holder)s, clock_timestamp(), %(used)s - coalesce(sum(weight), 0)
FROM vendor_send
WHERE source = %(source)s AND holder = %(holder)s
  AND leaves_at >= date_trunc('minute', clock_timestamp()) AND leaves_at <= clock_timestamp()
HAVING coalesce(sum(weight), 0) < %(used)s;

-- name: of_today
-- How many calls of today left for a key or an address, and how many of them were too many.
SELECT sends, refusals
FROM vendor_quota
WHERE source = %(source)s AND holder = %(holder)s AND day = (now() AT TIME ZONE 'UTC')::date;

-- name: standing
-- How much of each quota is used, until when the vendor wants quiet, and how many calls of today were too many.
SELECT q.source, left(q.holder, 12) AS holder, nullif(q.most, 0) AS "limit", q.seconds AS window_seconds, q.by_the_clock,
       coalesce(sum(s.weight) FILTER (WHERE s.leaves_at <= now()), 0) AS used,
       count(s.id) FILTER (WHERE s.leaves_at > now()) AS waiting,
       CASE WHEN q.held_until > now() THEN q.held_until END AS held_until,
       CASE WHEN q.refused_until > now() THEN q.refused_until END AS refused_until,
       CASE WHEN q.day = (now() AT TIME ZONE 'UTC')::date THEN q.sends ELSE 0 END AS total_requests,
       CASE WHEN q.day = (now() AT TIME ZONE 'UTC')::date THEN q.refusals ELSE 0 END AS rate_limited_count
FROM vendor_quota q
LEFT JOIN vendor_send s
    ON s.source = q.source AND s.holder = q.holder
   AND s.leaves_at > CASE WHEN q.by_the_clock THEN date_trunc('minute', now()) - interval '1 microsecond'
                          ELSE now() - make_interval(secs => q.seconds) END
GROUP BY q.source, q.holder
ORDER BY q.source, q.holder;

-- name: quickly
-- Lets the end of this transaction not wait for the disk.
SET LOCAL synchronous_commit = off;
