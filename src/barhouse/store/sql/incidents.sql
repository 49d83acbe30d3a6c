-- name: take_turns
-- Lets one health run at a time decide what is an incident.
SELECT pg_advisory_xact_lock(7236837, 1);

-- name: known
-- The incidents that are not over.
SELECT rule, cause, severity, message, subjects, id FROM alert_incident WHERE status <> 'over' ORDER BY id;

-- name: begin
-- Opens incidents; one that is open already stays.
INSERT INTO alert_incident (rule, cause, severity, message, subjects, opened_at)
SELECT rule, cause, severity, message, string_to_array(subjects, E'\n'), %(now)s
FROM unnest(%(rules)s::text[], %(causes)s::text[], %(severities)s::text[], %(messages)s::text[], %(subjects)s::text[])
     AS told (rule, cause, severity, message, subjects)
ON CONFLICT (rule, cause) WHERE status <> 'over' DO NOTHING;

-- name: change
-- Lets incidents have other subjects; those of an incident that was told are told.
WITH changed AS (
    UPDATE alert_incident i
    SET subjects = string_to_array(told.subjects, E'\n')
    FROM unnest(%(ids)s::bigint[], %(subjects)s::text[]) AS told (id, subjects)
    WHERE i.id = told.id
    RETURNING i.status, i.subjects
)
UPDATE symbol_failure_tracking f
SET alert_sent = true, alert_sent_at = now()
FROM changed
WHERE changed.status = 'delivered' AND f.symbol || ' ' || f.asset_class = ANY (changed.subjects) AND NOT f.alert_sent;

-- name: end
-- Ends incidents. Who was told of one, or may have been, is told that it is over; who was not is told nothing any more.
WITH ended AS (
    UPDATE alert_incident SET status = 'over', over_at = %(now)s WHERE id = ANY (%(ids)s::bigint[]) RETURNING id
), dropped AS (
    UPDATE alert_delivery d SET status = 'dropped'
    FROM ended
    WHERE d.incident = ended.id AND d.event = 'opened' AND d.status = 'waiting'
)
INSERT INTO alert_delivery (incident, event, channel)
SELECT d.incident, 'over', d.channel
FROM alert_delivery d JOIN ended ON ended.id = d.incident
WHERE d.event = 'opened' AND d.status IN ('sending', 'delivered')
ON CONFLICT (incident, event, channel) DO NOTHING;

-- name: address
-- Makes a message for each channel of each incident that nobody has been told of.
INSERT INTO alert_delivery (incident, event, channel)
SELECT i.id, 'opened', channel
FROM alert_incident i CROSS JOIN unnest(%(channels)s::text[]) AS channel
WHERE i.status = 'open'
ORDER BY i.id, channel
ON CONFLICT (incident, event, channel) DO NOTHING;

-- name: claim
-- Takes the next message that is due, for a minute; whose sender died, it is taken again. No two get the same one.
WITH due AS (
    SELECT d.id
    FROM alert_delivery d JOIN alert_incident i ON i.id = d.incident
    WHERE d.status IN ('waiting', 'sending') AND d.channel = ANY (%(channels)s::text[])
      AND CASE WHEN d.status = 'sending' THEN d.claimed_until ELSE d.next_try_at END <= clock_timestamp()
      AND (d.event = 'over' OR i.status <> 'over')
    ORDER BY d.id
    LIMIT 1
    FOR UPDATE OF d SKIP LOCKED
), taken AS (
    UPDATE alert_delivery d
    SET status = 'sending', attempts = attempts + 1, claimed_until = clock_timestamp() + interval '1 minute'
    FROM due
    WHERE d.id = due.id
    RETURNING d.*
)
SELECT taken.id AS number, delivery_id::text AS id, channel, event, attempts, incident_id::text AS incident, rule, cause,
       severity, message, subjects, opened_at, over_at
FROM taken JOIN alert_incident i ON i.id = taken.incident;

-- name: delivered
-- Marks a message as delivered, and with it its incident, and the symbols in it that fail.
WITH sent AS (
    UPDATE alert_delivery
    SET status = 'delivered', delivered_at = clock_timestamp(), claimed_until = NULL, error = NULL
    WHERE id = %(id)s
    RETURNING incident, event
), told AS (
    UPDATE alert_incident i
    SET status = CASE i.status WHEN 'open' THEN 'delivered' ELSE i.status END,
        delivered_at = coalesce(i.delivered_at, clock_timestamp())
    FROM sent
    WHERE i.id = sent.incident AND sent.event = 'opened'
    RETURNING i.subjects, i.rule
)
UPDATE symbol_failure_tracking f
SET alert_sent = true, alert_sent_at = clock_timestamp()
FROM told
WHERE told.rule IN ('symbol_failing', 'vendor_down') AND f.symbol || ' ' || f.asset_class = ANY (told.subjects)
  AND f.consecutive_failures >= %(alarming)s;

-- name: failed
-- Gives a message back that could not be delivered: it is tried again after 30 s, then twice as long each time, an hour at most.
UPDATE alert_delivery
SET status = 'waiting', claimed_until = NULL, error = %(error)s,
    next_try_at = clock_timestamp() + least(interval '30 s' * 2 ^ least(attempts - 1, 10), interval '1 hour')
WHERE id = %(id)s AND status = 'sending' AND attempts = %(attempts)s;

-- name: listed
-- The latest incidents, newest first, with what was told of them to whom.
SELECT i.id, i.incident_id::text, i.rule, i.cause, i.severity, i.message, i.subjects, i.status, i.opened_at,
       i.delivered_at, i.over_at,
       coalesce((SELECT json_agg(json_build_object('id', d.delivery_id, 'channel', d.channel, 'event', d.event,
                                                   'status', d.status, 'attempts', d.attempts, 'error', d.error)
                                 ORDER BY d.id)
                 FROM alert_delivery d WHERE d.incident = i.id), '[]') AS deliveries
FROM alert_incident i
WHERE (%(status)s::text IS NULL OR i.status = %(status)s)
ORDER BY i.id DESC
LIMIT %(limit)s;

-- name: deliveries
-- The latest messages to people, newest first: by which channel, about what, and whether they arrived.
SELECT d.id, d.channel, d.event, d.status, d.attempts, d.error, d.created_at, d.delivered_at,
       CASE WHEN d.status = 'waiting' THEN nullif(d.next_try_at, '-infinity') END AS next_try_at, i.rule, i.cause, i.severity, i.message
FROM alert_delivery d
JOIN alert_incident i ON i.id = d.incident
ORDER BY d.id DESC
LIMIT %(limit)s;
