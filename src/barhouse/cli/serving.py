"""The API and the dashboard as a server of this process."""

from __future__ import annotations

import socket

from barhouse.config import Settings
from barhouse.errors import SettingsError

TRIES = 50


def free_port(host: str, port: int) -> int:
    """`port`, or the next one that nobody listens on."""
    for candidate in range(port, min(port + TRIES, 65536)):
        if is_free(host, candidate):
            return candidate
    raise SettingsError(f"No port from {port} on is free; name another with --port")


def is_free(host: str, port: int) -> bool:
    """Whether nobody listens on that port."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def serve(settings: Settings, port: int) -> None:
    """Answer until Ctrl-C."""
    import uvicorn

    from barhouse.api.app import create

    uvicorn.run(create(settings), host=settings.host, port=port, log_level="warning", access_log=False)
