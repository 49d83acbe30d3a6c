-- name: delay
-- Writes down how long after its close each source has a bar, where that was told otherwise.
UPDATE source SET delay = told.delay
FROM unnest(%(names)s::text[], %(delays)s::interval[]) AS told (name, delay)
WHERE source.name = told.name AND source.delay <> told.delay;
