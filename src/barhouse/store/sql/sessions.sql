-- name: zone
-- The time zone of an exchange whose sessions are kept.
SELECT zone FROM exchange WHERE name = %(exchange)s;

-- name: all_of
-- The sessions of an exchange, oldest first, in UTC.
SELECT date, open AT TIME ZONE 'UTC', close AT TIME ZONE 'UTC'
FROM session
WHERE exchange = %(exchange)s
ORDER BY date;

-- name: fresh
-- Whether the sessions of an exchange were read lately and reach far enough ahead, or were read just now.
SELECT coalesce(
    refreshed_at > now() - %(again)s::interval
    OR (refreshed_at > now() - %(lately)s::interval AND last_date > (now() + %(ahead)s::interval)::date),
    false
)
FROM exchange
WHERE name = %(exchange)s;

-- name: keep_exchange
-- Notes an exchange and how far its sessions are known.
INSERT INTO exchange (name, zone, refreshed_at, first_date, last_date)
VALUES (%(exchange)s, %(zone)s, now(), %(first)s, %(last)s)
ON CONFLICT (name) DO UPDATE
SET zone = excluded.zone,
    refreshed_at = excluded.refreshed_at,
    first_date = least(exchange.first_date, excluded.first_date),
    last_date = greatest(exchange.last_date, excluded.last_date);

-- name: drop_closed
-- Takes away the days of a known stretch that turned out to have no session.
DELETE FROM session
WHERE exchange = %(exchange)s
    AND date BETWEEN %(first)s AND %(last)s
    AND date NOT IN (SELECT unnest(%(dates)s::date[]));

-- name: keep_sessions
-- Notes sessions, and new hours of those that are there.
INSERT INTO session (exchange, date, open, close)
SELECT %(exchange)s, day.date, day.open AT TIME ZONE 'UTC', day.close AT TIME ZONE 'UTC'
FROM unnest(%(dates)s::date[], %(opens)s::timestamp[], %(closes)s::timestamp[]) AS day (date, open, close)
ON CONFLICT (exchange, date) DO UPDATE
SET open = excluded.open, close = excluded.close
WHERE (session.open, session.close) IS DISTINCT FROM (excluded.open, excluded.close);
