"""Who may call: no page of another site, under no name but ours."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from fastapi import Request
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from barhouse.api.errors import detail, shown
from barhouse.api.roles import changes
from barhouse.config import Settings
from barhouse.errors import SettingsError


def bound(settings: Settings, *, has_keys: bool) -> None:
    """SettingsError if the API would listen to other machines without a key, though nobody said that it may."""
    if not (has_keys or settings.insecure or is_loopback(settings.host)):
        raise SettingsError(
            f"{settings.host} can be reached from other machines, and no key protects the API: make one "
            "(`barhouse keys create NAME --role admin`), listen on 127.0.0.1, or say --insecure "
            "(BARHOUSE_INSECURE=true) where the network is yours"
        )


class Guard:
    """Refuses calls under foreign names (DNS rebinding) and changes that another site's page asks for."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        names = (name.strip().lower() for name in settings.allowed_hosts.split(","))
        self._names = {settings.host.lower(), *filter(None, names)}
        self._origins = {origin.lower().rstrip("/") for origin in settings.cors_origins} - {"*"}
        self._any_address = not is_loopback(settings.host)
        self._known: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what may pass."""
        if scope["type"] == "http" and (reason := self._refused(scope)):
            await shown(Request(scope), detail(403, reason))(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _refused(self, scope: Scope) -> str | None:
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        host = hosts[0] if len(hosts) == 1 else ""
        if not self._is_ours(host):
            return "Host: this name is not ours; call by 127.0.0.1, or set BARHOUSE_ALLOWED_HOSTS"
        if changes(scope["method"], scope["path"]) and self._is_from_elsewhere(headers, host):
            return "Origin: a page of another site asks for a change"
        return None

    def _is_ours(self, host: str) -> bool:
        if host in self._known:
            return True
        name = _name(host)
        ours = name in self._names or is_loopback(name) or (self._any_address and _is_address(name))
        if ours and len(self._known) < 100:
            self._known.add(host)
        return ours

    def _is_from_elsewhere(self, headers: Headers, host: str) -> bool:
        """Whether a browser says that another site's page is behind the call; programs say nothing of the kind."""
        origins = [origin.lower() for origin in headers.getlist("origin")]
        if origins and self._origins.issuperset(origins):
            return False
        foreign = any(_place(origin) != host.lower() for origin in origins)
        return foreign or headers.get("sec-fetch-site") == "cross-site"


def is_loopback(name: str) -> bool:
    """Whether only this machine can be meant."""
    return name == "localhost" or (_is_address(name) and ip_address(name).is_loopback)


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _name(host: str) -> str:
    """A Host header without its port."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def _place(origin: str) -> str | None:
    """Host and port of an Origin header; None for what is none."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None
