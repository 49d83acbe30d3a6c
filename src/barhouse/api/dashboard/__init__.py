"""Pages for people, made on the server; nothing in them is fetched from elsewhere."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

HERE = Path(__file__).parent

router = APIRouter(include_in_schema=False)


def serve_files(app: FastAPI) -> None:
    """Let `app` give out the style sheet and what else pages need."""
    app.mount("/static", StaticFiles(directory=HERE / "static"), name="static")


@router.get("/docs")
async def docs() -> HTMLResponse:
    """The API, to read and to try."""
    return get_swagger_ui_html(
        openapi_url="/openapi.json",
        title="Barhouse API",
        swagger_js_url="/static/swagger-ui/swagger-ui-bundle.js",
        swagger_css_url="/static/swagger-ui/swagger-ui.css",
        swagger_favicon_url="/static/icon.svg",
    )
