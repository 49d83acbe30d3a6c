"""The API and the dashboard as one app."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from barhouse.api import (
    actions,
    admin_symbols,
    bars,
    corrections,
    duplicates,
    enrichment,
    errors,
    events,
    features,
    health,
    historical,
    jobs,
    keys,
    monitoring,
    openapi,
    quality,
    quarantine,
    resilience,
    schedulers,
    signin,
    status,
    stream,
    symbols,
)
from barhouse.api.access import HEADERS, Access
from barhouse.api.bodies import Bodies
from barhouse.api.compat import mounted
from barhouse.api.dashboard import routes as dashboard
from barhouse.api.deps import Warehouse
from barhouse.api.door import Door
from barhouse.api.encoding import Encoding
from barhouse.api.following import Following
from barhouse.api.guard import Guard, bound
from barhouse.api.heads import Heads
from barhouse.api.listening import Listening
from barhouse.api.quick import Quick
from barhouse.config import Settings
from barhouse.config import settings as of_process
from barhouse.flow.keys import any_key
from barhouse.flow.warehouse import opened

DESCRIPTION = """
Bars of stocks, ETFs and crypto from several vendors: checked, enriched, explained.

Errors are `{"detail": …}`. Instants are RFC 3339 in UTC; spans are half open, so `end` is not in them.
"""


ROUTES = (
    health,
    historical,
    bars,
    stream,
    jobs,
    events,
    enrichment,
    features,
    symbols,
    admin_symbols,
    status,
    schedulers,
    quality,
    duplicates,
    quarantine,
    corrections,
    actions,
    resilience,
    monitoring,
    keys,
    mounted,
    signin,
    dashboard,
)
"""One module a prefix of paths, each with its `router`."""


def create(settings: Settings | None = None) -> FastAPI:
    """The app over the warehouse of these settings, or of the environment: `uvicorn barhouse.api.app:create --factory`.

    The warehouse is opened when the app starts, with its schema brought up to date, and closed when it ends.
    SettingsError then, if it would listen to other machines without a key, though nobody said that it may.
    """
    settings = settings or of_process()
    app = FastAPI(
        title="Barhouse",
        description=DESCRIPTION,
        version=version("barhouse"),
        lifespan=_over(settings),
        docs_url=None,
        redoc_url=None,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        openapi_tags=openapi.TAGS,
        generate_unique_id_function=openapi.identity,
    )
    app.state.settings, app.state.is_leaving = settings, _stays
    app.state.door = door = Door(settings)
    errors.enrol(app)
    _guard(app, settings, door)
    for routes in ROUTES:
        app.include_router(routes.router)
    dashboard.serve_files(app)
    openapi.enrol(app)
    return app


def _guard(app: FastAPI, settings: Settings, door: Door) -> None:
    """What each call passes before its endpoint, the last one named first: whose name and page, who, how long."""
    app.add_middleware(Encoding)
    app.add_middleware(Bodies)
    app.add_middleware(Access, door=door)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=["Authorization", "X-API-Key", "Content-Type", "If-None-Match", "Last-Event-ID"],
            expose_headers=["ETag", "Retry-After", errors.NAME, *HEADERS],
        )
    app.add_middleware(Guard, settings=settings)
    app.add_middleware(Heads)


def _over(settings: Settings) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """What opens the warehouse when an app starts, and closes it when the app ends."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with opened(settings, is_hasty=True) as db:
            bound(settings, has_keys=any_key(db))
            quick = Quick(db.url)
            await quick.open()
            app.state.warehouse = Warehouse(
                db, quick, Following(db, lambda: app.state.is_leaving()), Listening(db, lambda: app.state.is_leaving())
            )
            try:
                async with app.state.door.over(db.url):
                    yield
            finally:
                await quick.close()

    return lifespan


def _stays() -> bool:
    """Nobody has told the server to end."""
    return False
