-- name: settle
-- Lets values be written the same way on every server, as long as this transaction lasts.
SELECT set_config(name, value, true)
FROM (VALUES ('TimeZone', 'UTC'), ('DateStyle', 'ISO, MDY'), ('IntervalStyle', 'postgres'), ('bytea_output', 'hex'),
             ('extra_float_digits', '1'), ('statement_timeout', '0'),
             ('idle_in_transaction_session_timeout', '0')) AS setting (name, value);

-- name: snapshot
-- The name under which other connections see what this transaction sees.
SELECT pg_export_snapshot();

-- name: tables
-- The tables that Barhouse and its queue have, with their schemas.
SELECT n.nspname, c.relname
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY 1, 2;

-- name: table
-- How many rows a table has, and the sum of their hashes, in which no order counts.
SELECT count(*), coalesce(sum(hashtextextended(t::text, 0)), 0)::text FROM {table} t;

-- name: series
-- The same of the bars of each series.
SELECT coalesce(i.symbol, 'instrument ' || b.instrument), coalesce(i.asset_class, '?'), b.timeframe, b.bars, b.checksum
FROM (SELECT instrument, timeframe, count(*) AS bars, coalesce(sum(hashtextextended(t::text, 0)), 0)::text AS checksum
      FROM bar t GROUP BY 1, 2) AS b
LEFT JOIN instrument i ON i.id = b.instrument
ORDER BY 1, 2, 3;
