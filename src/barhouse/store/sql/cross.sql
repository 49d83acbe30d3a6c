-- name: bars
-- The settled bars of several series of one timeframe that are good enough, series by series, each oldest first.
SELECT wanted.place, found.*
FROM unnest($1::int[], $3::timestamptz[]) WITH ORDINALITY AS wanted (instrument, start, place)
CROSS JOIN LATERAL (
    SELECT {columns}
    FROM bar{features}
    WHERE bar.instrument = wanted.instrument AND bar.timeframe = $2::smallint
      AND bar.time >= wanted.start AND bar.time < $4::timestamptz
      AND NOT bar.forming
      AND ($5::bool OR NOT bar.extended)
      AND (NOT $6::bool OR bar.validated)
      AND ($7::float8 <= 0 OR bar.quality_score >= $7::float8)
    ORDER BY bar.time
    LIMIT $8::bigint
) AS found
ORDER BY wanted.place, found.time
LIMIT $8::bigint;

-- name: revisions
-- What changes with each write to one of these series.
SELECT instrument, revision, revised_at
FROM series
WHERE instrument = ANY (%(instruments)s::int[]) AND timeframe = %(timeframe)s
ORDER BY instrument;
