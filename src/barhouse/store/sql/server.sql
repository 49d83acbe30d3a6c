-- name: state
-- The PostgreSQL that answers: its version, its clock, and how much its database weighs in bytes.
SELECT current_setting('server_version_num')::int AS number, current_setting('server_version') AS version,
       clock_timestamp() AS clock, pg_database_size(current_database()) AS bytes;

-- name: sizes
-- How much the tables weigh in bytes, with their indexes and what is stored beside them, the heaviest first.
SELECT c.oid::regclass::text AS name, pg_total_relation_size(c.oid) AS bytes
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
ORDER BY bytes DESC
LIMIT %(limit)s;
