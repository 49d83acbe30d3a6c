-- name: retract
-- Ends what a source tells differently now, or, of the days that it was asked about, not any more.
UPDATE corporate_action AS known
SET until = 'infinity'
WHERE known.instrument = %(instrument)s AND known.source = %(source)s AND known.until IS NULL AND NOT EXISTS (
    SELECT FROM unnest(%(kinds)s::text[], %(effectives)s::date[], %(ratios)s::float8[], %(amounts)s::float8[])
                AS told (kind, effective, ratio, amount)
    WHERE told.kind = known.kind AND told.effective = known.effective
      AND (told.ratio IS NULL OR abs(told.ratio - known.ratio) <= 1e-6 * known.ratio)
      AND (told.amount IS NULL OR abs(told.amount - known.amount) <= %(tolerance)s * abs(known.amount))
) AND (
    known.kind = ANY (%(kinds)s::text[]) AND known.effective BETWEEN %(first_day)s::date AND %(last_day)s::date
    OR EXISTS (
        SELECT FROM unnest(%(kinds)s::text[], %(effectives)s::date[]) AS told (kind, effective)
        WHERE told.kind = known.kind AND told.effective = known.effective
    )
)
RETURNING known.id;

-- name: tell
-- Writes down the splits and dividends that a source did not tell so before.
INSERT INTO corporate_action
    (instrument, kind, effective, ratio, amount, currency, source, fetch_id, learnt_at)
SELECT %(instrument)s, told.kind, told.effective, told.ratio, told.amount, told.currency, %(source)s, %(fetch_id)s,
       'infinity'
FROM unnest(%(kinds)s::text[], %(effectives)s::date[], %(ratios)s::float8[], %(amounts)s::float8[],
            %(currencies)s::text[]) AS told (kind, effective, ratio, amount, currency)
WHERE NOT EXISTS (
    SELECT FROM corporate_action AS known
    WHERE known.instrument = %(instrument)s AND known.source = %(source)s AND known.until IS NULL
      AND known.kind = told.kind AND known.effective = told.effective
)
RETURNING id;

-- name: asked
-- Remembers over which days a source was asked for all actions of an instrument.
INSERT INTO action_reading (instrument, source, first_day, last_day)
VALUES (%(instrument)s, %(source)s, %(first_day)s, %(last_day)s)
ON CONFLICT (instrument, source) DO UPDATE
SET first_day = least(action_reading.first_day, excluded.first_day),
    last_day = greatest(action_reading.last_day, excluded.last_day), read_at = now();

-- name: readings
-- Over which days each source was asked for all actions of an instrument.
SELECT name, first_day, last_day
FROM action_reading
JOIN source ON code = source
WHERE instrument = %(instrument)s;

-- name: told
-- What all sources tell of some instruments, or told at an instant, and how each telling stands.
SELECT action.id, action.instrument, source.name AS source, action.kind, action.effective, action.ratio, action.amount,
       action.currency, nullif(action.learnt_at, 'infinity') AS learnt_at, decided.standing, decided.evidence
FROM corporate_action AS action
JOIN source ON source.code = action.source
LEFT JOIN action_standing AS decided ON decided.action = action.id
    AND decided.since <= coalesce(%(as_of)s::timestamptz, 'infinity')
    AND (decided.until IS NULL OR decided.until > coalesce(%(as_of)s::timestamptz, 'infinity'))
WHERE action.instrument = ANY (%(instruments)s) AND action.ratio IS DISTINCT FROM 1
  AND action.learnt_at <= coalesce(%(as_of)s::timestamptz, 'infinity')
  AND (action.until IS NULL OR action.until > coalesce(%(as_of)s::timestamptz, 'infinity'))
ORDER BY action.instrument, action.effective, action.kind, source.code;

-- name: accepted
-- The splits and dividends of some instruments that count, or counted at an instant; one of a kind a day.
SELECT DISTINCT ON (action.instrument, action.effective, action.kind)
       action.instrument, action.kind, action.effective, action.ratio, action.amount
FROM corporate_action AS action
JOIN action_standing AS decided ON decided.action = action.id
WHERE action.instrument = ANY (%(instruments)s) AND action.kind = ANY (%(kinds)s) AND decided.standing = 'accepted'
  AND decided.since <= coalesce(%(as_of)s::timestamptz, 'infinity')
  AND (decided.until IS NULL OR decided.until > coalesce(%(as_of)s::timestamptz, 'infinity'))
  AND action.learnt_at <= coalesce(%(as_of)s::timestamptz, 'infinity')
  AND (action.until IS NULL OR action.until > coalesce(%(as_of)s::timestamptz, 'infinity'))
ORDER BY action.instrument, action.effective, action.kind, action.source;

-- name: review
-- Notes the instruments of which somebody tells a split about the time of a stretch of bars.
INSERT INTO split_review (instrument)
SELECT DISTINCT wanted.instrument
FROM unnest(%(instruments)s::int[], %(firsts)s::timestamptz[], %(lasts)s::timestamptz[])
     AS wanted (instrument, first, last)
JOIN corporate_action AS action ON action.instrument = wanted.instrument AND action.kind = 'split'
    AND action.until IS NULL AND action.ratio <> 1
    AND action.effective BETWEEN (wanted.first - %(near)s)::date AND (wanted.last + %(near)s)::date
ORDER BY wanted.instrument;

-- name: reviews
-- The instruments whose splits have to be decided anew, each with the latest note of it.
SELECT i.id, i.symbol, i.asset_class, i.exchange, max(r.id)
FROM split_review r
JOIN instrument i ON i.id = r.instrument
WHERE %(instruments)s::int[] IS NULL OR r.instrument = ANY (%(instruments)s::int[])
GROUP BY i.id
ORDER BY i.id;

-- name: reviewed
-- Takes the notes of an instrument away that were there when it was decided.
DELETE FROM split_review WHERE instrument = %(instrument)s AND id <= %(last)s;

-- name: moves
-- The last close before, and the first open and close after, some moments of an instrument's series.
SELECT wanted.timeframe, wanted.effective, before.time, before.close, after.time, after.open, after.close
FROM unnest(%(timeframes)s::smallint[], %(effectives)s::date[], %(befores)s::timestamptz[], %(afters)s::timestamptz[])
     AS wanted (timeframe, effective, before, after)
CROSS JOIN LATERAL (
    SELECT bar.time, bar.close FROM bar
    WHERE bar.instrument = %(instrument)s AND bar.timeframe = wanted.timeframe AND bar.close > 0
      AND bar.time >= wanted.before - %(near)s AND bar.time < wanted.before AND NOT bar.forming AND NOT bar.extended
    ORDER BY bar.time DESC LIMIT 1
) AS before
CROSS JOIN LATERAL (
    SELECT bar.time, bar.open, bar.close FROM bar
    WHERE bar.instrument = %(instrument)s AND bar.timeframe = wanted.timeframe AND bar.open > 0 AND bar.close > 0
      AND bar.time >= wanted.after AND bar.time < wanted.after + %(near)s AND NOT bar.forming AND NOT bar.extended
    ORDER BY bar.time LIMIT 1
) AS after;

-- name: overrule
-- Ends how some tellings stood.
UPDATE action_standing SET until = 'infinity'
WHERE action = ANY (%(actions)s) AND until IS NULL;

-- name: decide
-- Writes down how some tellings stand from now on, and why.
INSERT INTO action_standing (action, standing, evidence, since)
SELECT action, standing, evidence::jsonb, 'infinity'
FROM unnest(%(actions)s::bigint[], %(standings)s::text[], %(evidences)s::text[]) AS verdict (action, standing, evidence);

-- name: explain
-- Writes down why tellings stand as they did before.
UPDATE action_standing SET evidence = verdict.evidence::jsonb
FROM unnest(%(actions)s::bigint[], %(evidences)s::text[]) AS verdict (action, evidence)
WHERE action_standing.action = verdict.action AND action_standing.until IS NULL;

-- name: date_tellings
-- Puts the instant of this transaction where it was left open, last thing before the commit.
UPDATE corporate_action
SET learnt_at = least(learnt_at, coalesce(%(at)s, clock_timestamp())),
    until = CASE WHEN until = 'infinity' THEN coalesce(%(at)s, clock_timestamp()) ELSE until END
WHERE instrument = %(instrument)s AND (learnt_at = 'infinity' OR until = 'infinity');

-- name: date_standings
-- The same for how they stand.
UPDATE action_standing
SET since = least(since, coalesce(%(at)s, clock_timestamp())),
    until = CASE WHEN action_standing.until = 'infinity' THEN coalesce(%(at)s, clock_timestamp())
                 ELSE action_standing.until END
FROM corporate_action AS action
WHERE action.id = action_standing.action AND action.instrument = %(instrument)s
  AND (action_standing.since = 'infinity' OR action_standing.until = 'infinity');

-- name: stamp
-- Bumps the revision of all series of an instrument: what they answer, adjusted, is another now.
UPDATE series SET revision = revision + 1, revised_at = now.moment
FROM (SELECT clock_timestamp() AS moment) AS now
WHERE series.instrument = %(instrument)s
RETURNING revised_at;
