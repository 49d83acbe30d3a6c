-- name: state
-- The PostgreSQL that answers: its version, its clock, and how much its database weighs in bytes.
SELECT current_setting('server_version_num')::int AS number, current_setting('server_version') AS version,
       clock_timestamp() AS clock, pg_database_size(current_database()) AS bytes;
