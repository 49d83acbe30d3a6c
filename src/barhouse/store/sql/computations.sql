-- name: log
-- Writes down what came of computing features.
INSERT INTO enrichment_compute_log (symbol, asset_class, timeframe, features_computed, missing_fields,
    computation_time_ms, success, error_details)
SELECT symbol, asset_class, timeframe, computed, string_to_array(nullif(missing, ''), ','), milliseconds, error IS NULL,
       error
FROM unnest(%(symbols)s::text[], %(classes)s::text[], %(timeframes)s::text[], %(computed)s::int[], %(missing)s::text[],
            %(milliseconds)s::float8[], %(errors)s::text[])
     AS told (symbol, asset_class, timeframe, computed, missing, milliseconds, error);
