-- name: named
-- The instruments of a symbol, of one asset class where that is given.
SELECT id, symbol, asset_class, exchange
FROM instrument
WHERE symbol = %(symbol)s AND (%(asset_class)s::text IS NULL OR asset_class = %(asset_class)s)
ORDER BY asset_class;

-- name: add
-- Adds an instrument; looking first keeps the sequence from being spent on those that are there.
INSERT INTO instrument (symbol, asset_class, exchange)
SELECT %(symbol)s, %(asset_class)s, %(exchange)s
WHERE NOT EXISTS (SELECT FROM instrument WHERE symbol = %(symbol)s AND asset_class = %(asset_class)s)
ON CONFLICT (symbol, asset_class) DO NOTHING;

-- name: add_series
-- Makes sure that a series is there; one that is only read, not tracked, stays untracked.
INSERT INTO series (instrument, timeframe, tracked, since)
VALUES (%(instrument)s, %(timeframe)s, false, NULL)
ON CONFLICT (instrument, timeframe) DO NOTHING;

-- name: move
-- Puts instruments on another exchange, as long as no bar of them is kept; says which ones.
UPDATE instrument i SET exchange = %(exchange)s
WHERE i.id = ANY (%(instruments)s::int[]) AND NOT EXISTS (SELECT FROM bar WHERE bar.instrument = i.id)
RETURNING i.id;

-- name: add_all
-- Adds instruments; looking first keeps the sequence from being spent on those that are there.
INSERT INTO instrument (symbol, asset_class, exchange)
SELECT told.symbol, told.asset_class, told.exchange
FROM unnest(%(symbols)s::text[], %(classes)s::text[], %(exchanges)s::text[]) AS told (symbol, asset_class, exchange)
WHERE NOT EXISTS (
    SELECT FROM instrument i WHERE i.symbol = told.symbol AND i.asset_class = told.asset_class
)
ORDER BY told.symbol, told.asset_class
ON CONFLICT (symbol, asset_class) DO NOTHING;

-- name: activate
-- Brings instruments back that were put away.
UPDATE instrument SET active = true WHERE id = ANY (%(instruments)s::int[]) AND NOT active;

-- name: track
-- From now on series are kept up to date, each from the earliest start that anyone asked for.
INSERT INTO series (instrument, timeframe, tracked, since)
SELECT told.instrument, told.timeframe, true, told.since
FROM unnest(%(instruments)s::int[], %(timeframes)s::smallint[], %(starts)s::timestamptz[])
     AS told (instrument, timeframe, since)
ORDER BY told.instrument, told.timeframe
ON CONFLICT (instrument, timeframe) DO UPDATE
SET tracked = true, since = least(series.since, excluded.since);

-- name: series_of
-- The timeframes that are kept of an instrument.
SELECT timeframe FROM series WHERE instrument = %(instrument)s ORDER BY timeframe;

-- name: among
-- The instruments of some symbols, of one asset class where that is given.
SELECT id, symbol, asset_class, exchange
FROM instrument
WHERE symbol = ANY (%(symbols)s::text[]) AND (%(asset_class)s::text IS NULL OR asset_class = %(asset_class)s);

-- name: tracked
-- The series that are kept up to date, with the start of each and how late its bars come, all or of some instruments.
SELECT i.id, i.symbol, i.asset_class, i.exchange, s.timeframe, s.since, coalesce(src.delay, interval '15 minutes')
FROM series s
JOIN instrument i ON i.id = s.instrument
LEFT JOIN bar b ON (b.instrument, b.timeframe, b.time) = (s.instrument, s.timeframe, s.last_bar)
LEFT JOIN source src ON src.code = b.source
WHERE s.tracked AND i.active AND (%(instruments)s::int[] IS NULL OR i.id = ANY (%(instruments)s))
ORDER BY i.symbol, i.asset_class, s.timeframe;

-- name: described
-- Each series with what is stored of it.
SELECT i.symbol, i.asset_class, i.exchange, i.active, t.name AS timeframe, s.tracked, s.since, s.bars,
       s.first_bar, s.last_bar, s.revision, s.revised_at, coalesce(src.delay, interval '15 minutes') AS delay
FROM series s
JOIN instrument i ON i.id = s.instrument
JOIN timeframe t ON t.code = s.timeframe
LEFT JOIN bar b ON (b.instrument, b.timeframe, b.time) = (s.instrument, s.timeframe, s.last_bar)
LEFT JOIN source src ON src.code = b.source
ORDER BY i.symbol, i.asset_class, s.timeframe;

-- name: add_source
-- Adds a source; looking first keeps the sequence from being spent on those that are there.
INSERT INTO source (name)
SELECT %(name)s WHERE NOT EXISTS (SELECT FROM source WHERE name = %(name)s)
ON CONFLICT (name) DO NOTHING;

-- name: sources
-- The sources and their numbers.
SELECT code, name FROM source;

-- name: judged
-- Each series with its bars, their mean quality, and how many of them have features.
SELECT i.symbol, i.asset_class, t.name AS timeframe, s.bars, s.first_bar, s.last_bar,
       (SELECT avg(b.quality_score) FROM bar b
        WHERE b.instrument = s.instrument AND b.timeframe = s.timeframe AND NOT b.forming) AS quality_score,
       (SELECT count(*) FROM bar_feature f
        WHERE f.instrument = s.instrument AND f.timeframe = s.timeframe) AS featured
FROM series s
JOIN instrument i ON i.id = s.instrument
JOIN timeframe t ON t.code = s.timeframe
WHERE s.bars > 0
ORDER BY i.symbol, i.asset_class, s.timeframe;

-- name: names
-- The symbols of which a series is known, of one class or of all.
SELECT DISTINCT i.symbol
FROM instrument i
WHERE (%(asset_class)s::text IS NULL OR i.asset_class = %(asset_class)s)
  AND EXISTS (SELECT FROM series s WHERE s.instrument = i.id)
ORDER BY i.symbol;

-- name: filled
-- The instruments that bars are kept of.
SELECT i.id, i.symbol, i.asset_class, i.exchange
FROM instrument i
WHERE EXISTS (SELECT FROM series s WHERE s.instrument = i.id AND s.bars > 0)
ORDER BY i.symbol, i.asset_class;

-- name: beginnings
-- Each series of an instrument, and from when on it was read or has bars.
SELECT s.timeframe, least(s.first_bar, min(c.span_start))
FROM series s
LEFT JOIN coverage c ON c.instrument = s.instrument AND c.timeframe = s.timeframe AND c.state IN ('fetched', 'empty')
WHERE s.instrument = %(instrument)s
GROUP BY s.timeframe, s.first_bar;

-- name: stored
-- The series of some instruments, or of all, whether they are tracked or not.
SELECT i.id, i.symbol, i.asset_class, i.exchange, s.timeframe
FROM series s
JOIN instrument i ON i.id = s.instrument
WHERE %(instruments)s::int[] IS NULL OR i.id = ANY (%(instruments)s)
ORDER BY i.id, s.timeframe;

-- name: managed
-- Some instruments, or all, and their series: which are kept up to date from when on, and what is stored.
SELECT i.id, i.symbol, i.asset_class, i.exchange, i.active, i.created_at, t.name AS timeframe, s.tracked, s.since,
       s.bars, s.first_bar, s.last_bar
FROM instrument i
LEFT JOIN series s ON s.instrument = i.id
LEFT JOIN timeframe t ON t.code = s.timeframe
WHERE %(instruments)s::int[] IS NULL OR i.id = ANY (%(instruments)s)
ORDER BY i.symbol, i.asset_class, s.timeframe;

-- name: numbered
-- The instruments with some numbers.
SELECT id, symbol, asset_class, exchange
FROM instrument
WHERE id = ANY (%(instruments)s::bigint[])
ORDER BY symbol, asset_class;

-- name: chosen
-- The instruments that a filter lets through, by symbol, behind one that was shown; `found` counts all pages.
SELECT i.id, count(*) OVER () AS found
FROM instrument i
WHERE (%(text)s::text IS NULL OR strpos(upper(i.symbol), upper(%(text)s)) > 0)
  AND (%(asset_class)s::text IS NULL OR i.asset_class = %(asset_class)s)
  AND (%(active)s::boolean IS NULL OR i.active = %(active)s)
  AND (%(timeframe)s::smallint IS NULL OR EXISTS (
      SELECT FROM series s WHERE s.instrument = i.id AND s.timeframe = %(timeframe)s AND s.tracked
  ))
  AND (%(behind)s::bigint IS NULL OR (i.symbol, i.asset_class) > (
      SELECT shown.symbol, shown.asset_class FROM instrument shown WHERE shown.id = %(behind)s
  ))
ORDER BY i.symbol, i.asset_class
LIMIT %(limit)s OFFSET %(offset)s;

-- name: set_active
-- Puts instruments away, or brings them back; their bars stay.
UPDATE instrument SET active = %(active)s
WHERE id = ANY (%(instruments)s::int[]) AND active IS DISTINCT FROM %(active)s;

-- name: untrack
-- From now on these series are not kept up to date any more; their bars stay.
UPDATE series SET tracked = false
WHERE instrument = ANY (%(instruments)s::int[]) AND timeframe = ANY (%(timeframes)s::smallint[]) AND tracked
RETURNING instrument, timeframe;

-- name: begin
-- From when on bars of the tracked series of some instruments are wanted.
UPDATE series SET since = %(since)s WHERE instrument = ANY (%(instruments)s::int[]) AND tracked;

-- name: extent
-- The first and the last bar of a series.
SELECT first_bar, last_bar
FROM series
WHERE instrument = %(instrument)s AND timeframe = %(timeframe)s AND first_bar IS NOT NULL;

-- name: watched
-- The active instruments of which a series is kept up to date, or has bars.
SELECT i.id, i.symbol, i.asset_class, i.exchange
FROM instrument i
WHERE i.active AND EXISTS (SELECT FROM series s WHERE s.instrument = i.id AND (s.tracked OR s.bars > 0))
ORDER BY i.symbol, i.asset_class;
