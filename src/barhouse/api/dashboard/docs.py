"""The API, to read and to try."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse

from barhouse.api.dashboard.frame import HEADERS, asset

router = APIRouter(include_in_schema=False)

POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
"""Swagger UI starts by a script in its page, and writes styles."""


@router.get("/docs")
async def docs() -> HTMLResponse:
    """The API, to read and to try."""
    page = get_swagger_ui_html(
        openapi_url="/openapi.json",
        title="Barhouse API",
        swagger_js_url=asset("swagger-ui/swagger-ui-bundle.js"),
        swagger_css_url=asset("swagger-ui/swagger-ui.css"),
        swagger_favicon_url=asset("icon.svg"),
    )
    page.headers.update(HEADERS | {"Content-Security-Policy": POLICY})
    return page
