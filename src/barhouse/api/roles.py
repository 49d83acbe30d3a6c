"""What each route asks of its caller, told in one place."""

from __future__ import annotations

from barhouse.store.keys import Role

READING = {"GET", "HEAD", "OPTIONS"}
CHANGING = {"/api/v1/enrichment/pause", "/api/v1/enrichment/resume"}
"""What changes something though it is only read, as old scripts do."""

ANYBODY = None
"""Asked of nobody: no key, no cookie, no limit."""

Asks = tuple[Role | None, Role | None]
"""The role that reading takes, and the one that changing takes."""

READ, OPERATE, ADMIN = Role.READ, Role.OPERATE, Role.ADMIN

ROLES: dict[str, Asks] = {
    "/health": (ANYBODY, ADMIN),
    "/ready": (ANYBODY, ADMIN),
    "/static": (ANYBODY, ADMIN),
    "/signin": (ANYBODY, ANYBODY),
    "/signout": (ANYBODY, ANYBODY),
    "/": (READ, ADMIN),
    "/series": (READ, ADMIN),
    "/dashboard": (READ, OPERATE),
    "/dashboard/coverage": (READ, ADMIN),
    "/dashboard/settings": (READ, ADMIN),
    "/dashboard/settings/keys": (ADMIN, ADMIN),
    "/dashboard/settings/configuration": (ADMIN, ADMIN),
    "/docs": (READ, ADMIN),
    "/openapi.json": (READ, ADMIN),
    "/metrics": (READ, ADMIN),
    "/compat": (READ, ADMIN),
    "/api/v1/historical": (READ, ADMIN),
    "/api/v1/bars": (READ, ADMIN),
    "/api/v1/stream": (READ, ADMIN),
    "/api/v1/features": (READ, ADMIN),
    "/api/v1/symbols": (READ, ADMIN),
    "/api/v1/status": (READ, ADMIN),
    "/api/v1/data": (READ, OPERATE),
    "/api/v1/enrichment": (READ, OPERATE),
    "/api/v1/backfill": (ADMIN, ADMIN),
    "/api/v1/admin/symbols": (ADMIN, ADMIN),
    "/api/v1/admin/api-keys": (ADMIN, ADMIN),
    "/api/v1/admin/scheduler-health": (READ, ADMIN),
    "/api/v1/admin/scheduler": (READ, ADMIN),
    "/api/v1/admin/features": (READ, ADMIN),
    "/api/v1/admin/resilience": (READ, ADMIN),
    "/api/v1/admin/health": (READ, ADMIN),
    "/api/v1/admin/alerts": (READ, ADMIN),
}
"""By the beginning of a path, the longest that fits; `/` is itself alone. A test finds routes that are not in it."""

DEEPEST = max(prefix.count("/") for prefix in ROLES)


def listed(path: str) -> str | None:
    """The line of `ROLES` that tells of a path; None where none does."""
    parts = path.split("/", DEEPEST + 1)[: DEEPEST + 1]
    for deep in range(len(parts), 1, -1):
        if (prefix := "/".join(parts[:deep])) in ROLES:
            return prefix
    return None


def changes(method: str, path: str) -> bool:
    """Whether such a call changes something."""
    return method not in READING or path in CHANGING


def needed(method: str, path: str) -> Role | None:
    """The role that such a call takes, None for one that anybody may make; of an unlisted path what reads and rules."""
    reading, changing = ROLES.get(listed(path) or "", (READ, ADMIN))
    return changing if changes(method, path) else reading
