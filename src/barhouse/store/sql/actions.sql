-- name: learn
-- Writes down splits and dividends; answers with those that are new or told differently now.
INSERT INTO corporate_action (instrument, kind, effective, ratio, amount, currency, source, fetch_id)
SELECT %(instrument)s, told.kind, told.effective, told.ratio, told.amount, told.currency, %(source)s, %(fetch_id)s
FROM unnest(%(kinds)s::text[], %(effectives)s::date[], %(ratios)s::float8[], %(amounts)s::float8[],
            %(currencies)s::text[]) AS told (kind, effective, ratio, amount, currency)
ON CONFLICT (instrument, kind, effective, source) DO UPDATE
SET ratio = excluded.ratio, amount = excluded.amount, currency = excluded.currency, learnt_at = now(),
    fetch_id = excluded.fetch_id
WHERE (corporate_action.ratio, corporate_action.amount) IS DISTINCT FROM (excluded.ratio, excluded.amount)
RETURNING kind, effective;

-- name: splits
-- The splits of some instruments, one an effective date: where sources differ, the first in our order of sources.
SELECT DISTINCT ON (instrument, effective) instrument, effective, ratio
FROM corporate_action
WHERE instrument = ANY (%(instruments)s) AND kind = 'split' AND ratio <> 1
ORDER BY instrument, effective, source;
