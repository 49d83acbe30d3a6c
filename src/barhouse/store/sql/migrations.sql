-- name: lock
-- Wait until no other runner is at work.
SELECT pg_advisory_lock(%s);

-- name: has_ledger
-- Whether anything was ever migrated here.
SELECT to_regclass('schema_migration') IS NOT NULL;

-- name: create_ledger
-- The ledger: what was applied, from which text, and when.
CREATE TABLE schema_migration (
    name text PRIMARY KEY,
    checksum text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- name: applied
-- What the ledger holds.
SELECT name, checksum FROM schema_migration ORDER BY name;

-- name: enter
-- Enter a step in the ledger.
INSERT INTO schema_migration (name, checksum) VALUES (%s, %s);

-- name: add_feature
-- Give a feature its column.
ALTER TABLE bar_feature ADD COLUMN IF NOT EXISTS {column} {type};

-- name: columns
-- How many columns a table or view has, NULL where there is none.
SELECT name, (
    SELECT count(*)
    FROM pg_attribute
    WHERE attrelid = to_regclass(name) AND attnum > 0 AND NOT attisdropped
    HAVING to_regclass(name) IS NOT NULL
)
FROM unnest(%s::text[]) WITH ORDINALITY AS asked (name, rank)
ORDER BY rank;

-- name: owners
-- Who owns, beside ourselves, the tables and functions with these names.
SELECT DISTINCT pg_get_userbyid(owner)
FROM (
    SELECT relname AS name, relowner AS owner FROM pg_class WHERE relnamespace = current_schema()::regnamespace
    UNION ALL
    SELECT proname, proowner FROM pg_proc WHERE pronamespace = current_schema()::regnamespace
) AS thing
WHERE name = ANY(%s) AND NOT pg_has_role(owner, 'MEMBER');

-- name: whereabouts
-- Who we are and which schema we work in; without the right to use any there is none.
SELECT quote_ident(current_user), coalesce(quote_ident(current_schema()), 'public');
