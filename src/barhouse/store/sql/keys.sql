-- name: add
-- Keeps a new key; nothing where its name is taken.
INSERT INTO api_key (name, prefix, hash, role, tier, expires_at)
VALUES (%(name)s, %(prefix)s, %(hash)s, %(role)s, %(tier)s, %(expires_at)s)
ON CONFLICT (name) DO NOTHING
RETURNING id;

-- name: listed
-- The keys in the order of their making, those of some numbers or names only where such are given.
SELECT id, name, prefix, role, tier, expires_at, revoked_at, last_used_at, created_at
FROM api_key
WHERE %(named)s::text IS NULL OR id::text = %(named)s OR name = %(named)s
ORDER BY id;

-- name: rotate
-- Puts a new key in the place of an old one, which is good for some time yet.
UPDATE api_key
SET prefix = %(prefix)s, hash = %(hash)s,
    former_hash = CASE WHEN %(grace)s::interval > interval '0' THEN hash END,
    former_until = CASE WHEN %(grace)s::interval > interval '0' THEN now() + %(grace)s::interval END
WHERE id = %(id)s AND revoked_at IS NULL
RETURNING id;

-- name: revoke
-- Lets a key open nothing any more.
UPDATE api_key SET revoked_at = now() WHERE id = %(id)s AND revoked_at IS NULL RETURNING id;

-- name: restore
-- Lets a revoked key open again what it did.
UPDATE api_key SET revoked_at = NULL WHERE id = %(id)s AND revoked_at IS NOT NULL RETURNING id;

-- name: delete
-- Forgets a key.
DELETE FROM api_key WHERE id = %(id)s RETURNING id;

-- name: note
-- Writes down what was done with a key, and by whom.
INSERT INTO api_key_audit (key_id, name, action, actor, details)
VALUES (%(id)s, %(name)s, %(action)s, %(actor)s, %(details)s);

-- name: audit
-- What was done with keys, the latest first; with one of them where it is named.
SELECT key_id, name, action, actor, details, created_at AS at
FROM api_key_audit
WHERE %(named)s::text IS NULL OR key_id::text = %(named)s OR name = %(named)s
ORDER BY id DESC
LIMIT %(limit)s;

-- name: exists
-- Whether any key was made that is not deleted.
SELECT EXISTS (SELECT FROM api_key);

-- name: callers
-- Who calls with these hashes, of keys and of cookies, and until when that is good (epoch seconds).
SELECT told.hash, k.id, k.name, k.role, k.tier,
       least(extract(epoch FROM k.expires_at), extract(epoch FROM told.until))::float8 AS ends
FROM (SELECT hash, id AS key_id, NULL::timestamptz AS until FROM api_key WHERE hash = ANY(%(hashes)s)
      UNION ALL
      SELECT former_hash, id, former_until FROM api_key WHERE former_hash = ANY(%(hashes)s)
      UNION ALL
      SELECT hash, key_id, expires_at FROM api_session WHERE hash = ANY(%(hashes)s)) AS told
JOIN api_key k ON k.id = told.key_id
WHERE k.revoked_at IS NULL
  AND coalesce(k.expires_at > now(), true)
  AND coalesce(told.until > now(), true);

-- name: touch
-- Notes when keys were used last.
UPDATE api_key k SET last_used_at = greatest(k.last_used_at, told.at)
FROM unnest(%(ids)s::int[], %(at)s::timestamptz[]) AS told (id, at)
WHERE k.id = told.id;

-- name: sign_in
-- Keeps the hash of a cookie as long as it is good.
INSERT INTO api_session (hash, key_id, expires_at) VALUES (%(hash)s, %(id)s, now() + %(good_for)s::interval);

-- name: sign_out
-- Ends what a cookie opens, and forgets the cookies that are good for nothing any more.
DELETE FROM api_session WHERE hash = %(hash)s OR expires_at < now();
