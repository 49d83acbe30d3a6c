-- name: bars
-- The settled bars of a series that were known at an instant, in a span, from one end of it.
-- Those that are stored, less what came later, and those that have left since, each with all later corrections undone.
WITH undone AS MATERIALIZED (
    SELECT time, {firsts}
    FROM (
        SELECT DISTINCT ON ("timestamp", field_corrected) "timestamp" AS time, field_corrected AS field, old_value AS old
        FROM data_corrections
        WHERE instrument = $1::int AND timeframe_code = $2::smallint AND correction_timestamp > $9::timestamptz
          AND "timestamp" >= $3::timestamptz AND "timestamp" < $4::timestamptz
        ORDER BY "timestamp", field_corrected, correction_timestamp, id
    ) AS first
    GROUP BY time
), later AS MATERIALIZED (
    SELECT f.id
    FROM enrichment_fetch_log f
    JOIN instrument i ON i.id = $1::int AND i.symbol = f.symbol AND i.asset_class = f.asset_class
    JOIN timeframe t ON t.code = $2::smallint AND t.name = f.timeframe
    WHERE f.stamped_at > $9::timestamptz
), arrived AS MATERIALIZED (
    SELECT time
    FROM bar_stay
    WHERE instrument = $1::int AND timeframe = $2::smallint AND gone_at IS NULL AND came_at > $9::timestamptz
), gone AS MATERIALIZED (
    SELECT bar.*, stay.gone_at
    FROM bar_stay AS stay, jsonb_populate_record(NULL::bar, stay.record) AS bar
    WHERE stay.instrument = $1::int AND stay.timeframe = $2::smallint
      AND stay.came_at <= $9::timestamptz AND stay.gone_at > $9::timestamptz
      AND stay.time >= $3::timestamptz AND stay.time < $4::timestamptz
), undone_of_gone AS MATERIALIZED (
    SELECT time, {firsts}
    FROM (
        SELECT DISTINCT ON (c."timestamp", c.field_corrected)
               c."timestamp" AS time, c.field_corrected AS field, c.old_value AS old
        FROM gone
        JOIN data_corrections c ON c.instrument = $1::int AND c.timeframe_code = $2::smallint
            AND c."timestamp" = gone.time AND c.correction_timestamp < gone.gone_at
            AND c.correction_timestamp > $9::timestamptz
        ORDER BY c."timestamp", c.field_corrected, c.correction_timestamp, c.id
    ) AS first
    GROUP BY time
)
SELECT {columns}
FROM (
    SELECT *
    FROM bar
    WHERE bar.instrument = $1::int AND bar.timeframe = $2::smallint
      AND (bar.fetch_id IS NULL OR bar.fetch_id NOT IN (SELECT id FROM later))
      AND bar.time NOT IN (SELECT time FROM arrived)
      AND {wanted}
    ORDER BY bar.time{order}
    LIMIT $8::bigint
) AS bar
LEFT JOIN undone ON undone.time = bar.time
UNION ALL
SELECT {columns}
FROM gone AS bar
LEFT JOIN undone_of_gone AS undone ON undone.time = bar.time
WHERE {wanted}
ORDER BY time{order}
LIMIT $8::bigint;

-- name: wanted
-- Which bars are asked for, by their verdicts of today.
bar.time >= $3::timestamptz AND bar.time < $4::timestamptz
  AND NOT bar.forming
  AND ($5::bool OR NOT bar.extended)
  AND (NOT $6::bool OR bar.validated)
  AND ($7::float8 <= 0 OR bar.quality_score >= $7::float8);

-- name: first
-- What a field said before the first correction that is undone: no array for a field that was not corrected.
array_agg(old) FILTER (WHERE field = {name}) AS {field};

-- name: then
-- A field as it was known.
CASE WHEN undone.{field} IS NULL THEN bar.{field} ELSE undone.{field}[1]{cast} END AS {field};
