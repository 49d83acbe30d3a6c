-- name: sole
-- Waits until no other backup or restore works on this server.
SELECT pg_advisory_lock(%s);

-- name: exists
-- Whether there is a database of that name.
SELECT EXISTS (SELECT FROM pg_database WHERE datname = %s);

-- name: users
-- Who is connected to a database: the program, the role, the machine and the process.
SELECT format('%%s (%%s%%s, process %%s)', coalesce(nullif(application_name, ''), 'a program without a name'),
              usename, ' at ' || host(client_addr), pid)
FROM pg_stat_activity
WHERE datname = %s AND backend_type = 'client backend' AND pid <> pg_backend_pid()
ORDER BY pid;

-- name: create
-- Makes an empty database.
CREATE DATABASE {name} TEMPLATE template0;

-- name: rename
-- Gives a database another name; nobody may be connected to it.
ALTER DATABASE {name} RENAME TO {new};

-- name: drop
-- Removes a database, whoever is connected to it.
DROP DATABASE IF EXISTS {name} WITH (FORCE);

-- name: analyze
-- Lets the planner know what the tables hold.
ANALYZE;

-- name: has_bars
-- Whether there is a table of bars.
SELECT to_regclass('bar') IS NOT NULL;

-- name: holdings
-- Whether bars are stored, and whether a user has left anything at all: bars, instruments or keys.
SELECT EXISTS (SELECT FROM bar),
       EXISTS (SELECT FROM bar) OR EXISTS (SELECT FROM instrument) OR EXISTS (SELECT FROM api_key);
