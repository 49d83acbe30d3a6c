-- name: lock
-- Makes this transaction the only writer of these series, in the order of their keys.
SELECT pg_advisory_xact_lock(instrument, %(timeframe)s::int)
FROM (SELECT unnest(%(instruments)s::int[]) AS instrument ORDER BY 1) AS wanted;

-- name: overlapping
-- Which of these stretches hold a stored bar.
SELECT wanted.instrument
FROM unnest(%(instruments)s::int[], %(firsts)s::timestamptz[], %(lasts)s::timestamptz[])
     AS wanted (instrument, first, last)
WHERE EXISTS (
    SELECT FROM bar
    WHERE bar.instrument = wanted.instrument AND bar.timeframe = %(timeframe)s
      AND bar.time BETWEEN wanted.first AND wanted.last
);

-- name: known
-- The stored bars of some stretches, both ends included, in the columns that are asked for, each stretch by time.
SELECT {columns}
FROM unnest($1::int[], $2::timestamptz[], $3::timestamptz[]) AS wanted (instrument, first, last)
CROSS JOIN LATERAL (
    SELECT * FROM bar
    WHERE bar.instrument = wanted.instrument AND bar.timeframe = $4
      AND bar.time BETWEEN wanted.first AND wanted.last
    ORDER BY bar.time
) AS bar;

-- name: context
-- What features and checks need around new bars: so many regular bars before a stretch, all in it, so many after.
SELECT {columns}
FROM unnest($1::int[], $2::timestamptz[], $3::timestamptz[]) AS wanted (instrument, first, last)
CROSS JOIN LATERAL (
    (SELECT * FROM bar
     WHERE bar.instrument = wanted.instrument AND bar.timeframe = $4 AND bar.time < wanted.first
       AND NOT bar.extended AND NOT bar.forming
     ORDER BY bar.time DESC LIMIT $5)
    UNION ALL
    (SELECT * FROM bar
     WHERE bar.instrument = wanted.instrument AND bar.timeframe = $4
       AND bar.time BETWEEN wanted.first AND wanted.last
       AND NOT bar.extended AND NOT bar.forming)
    UNION ALL
    (SELECT * FROM bar
     WHERE bar.instrument = wanted.instrument AND bar.timeframe = $4 AND bar.time > wanted.last
       AND NOT bar.extended AND NOT bar.forming
     ORDER BY bar.time LIMIT $6)
) AS bar
ORDER BY bar.instrument, bar.time;

-- name: remove
-- Makes room for bars that replace stored ones.
DELETE FROM bar
USING unnest(%(instruments)s::int[], %(times)s::timestamptz[]) AS gone (instrument, time)
WHERE bar.instrument = gone.instrument AND bar.timeframe = %(timeframe)s AND bar.time = gone.time;

-- name: stamp
-- Bumps the revision of series that were written, last thing before the commit, and says the one instant of it.
WITH now AS MATERIALIZED (SELECT clock_timestamp() AS moment)
UPDATE series
SET revision = revision + 1, revised_at = now.moment, bars = bars + written.inserted,
    first_bar = least(first_bar, written.first), last_bar = greatest(last_bar, written.last)
FROM now, unnest(%(instruments)s::int[], %(inserted)s::bigint[], %(firsts)s::timestamptz[], %(lasts)s::timestamptz[])
     AS written (instrument, inserted, first, last)
WHERE series.instrument = written.instrument AND series.timeframe = %(timeframe)s
RETURNING series.instrument, series.revised_at;

-- name: restamp
-- The same for series that bars may have left, at an instant taken before: what they say of themselves is looked up.
UPDATE series
SET revision = revision + 1, revised_at = %(at)s, bars = bars + written.more,
    first_bar = (SELECT min(bar.time) FROM bar
                 WHERE bar.instrument = series.instrument AND bar.timeframe = series.timeframe),
    last_bar = (SELECT max(bar.time) FROM bar
                WHERE bar.instrument = series.instrument AND bar.timeframe = series.timeframe)
FROM unnest(%(instruments)s::int[], %(more)s::bigint[]) AS written (instrument, more)
WHERE series.instrument = written.instrument AND series.timeframe = %(timeframe)s;

-- name: rejudge
-- Gives stored bars another verdict.
UPDATE bar
SET quality_score = judged.quality_score, validated = judged.validated, flags = judged.flags
FROM unnest(%(instruments)s::int[], %(times)s::timestamptz[], %(scores)s::float8[], %(validated)s::bool[],
            %(flags)s::text[]) AS judged (instrument, time, quality_score, validated, flags)
WHERE bar.instrument = judged.instrument AND bar.timeframe = %(timeframe)s AND bar.time = judged.time;
