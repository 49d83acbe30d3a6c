"""The API and the dashboard as a server of this process."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from fastapi import FastAPI

from barhouse.api.guard import bound, is_loopback
from barhouse.cli.logs import told_as_ours
from barhouse.config import Settings
from barhouse.errors import SettingsError
from barhouse.flow.keys import any_key
from barhouse.store.postgres import Database


@contextmanager
def listening(host: str, ports: Iterable[int]) -> Iterator[socket.socket]:
    """A socket that listens on the first of these ports that is free: from now on nobody else gets it."""
    tried = []
    for port in ports:
        tried.append(port)
        try:
            listener = socket.create_server((host, port), family=_family(host), backlog=128)
        except OSError:
            continue
        with listener:
            yield listener
        return
    taken = f"Port {tried[0]} is taken" if len(tried) == 1 else f"Ports {tried[0]} to {tried[-1]} are taken"
    raise SettingsError(f"{taken}; end what listens there, or name another with --port")


def admission(db: Database, settings: Settings) -> str:
    """Who may call the API, in a line; SettingsError if that were everybody on other machines, unasked."""
    has_keys = any_key(db)
    bound(settings, has_keys=has_keys)
    if has_keys:
        public = "; reads are open to everybody (public_reads)" if settings.public_reads else ""
        return f"The API takes a key: [bold]barhouse keys list[/]{public}"
    who = "on this machine" if is_loopback(settings.host) else "[bold red]who reaches it[/]"
    return f"The API is open to everybody {who}: [bold]barhouse keys create NAME --role admin[/] makes the first key"


def is_free(host: str, port: int) -> bool:
    """Whether nobody listens on that port."""
    try:
        socket.create_server((host, port), family=_family(host)).close()
    except OSError:
        return False
    return True


def address(listener: socket.socket) -> str:
    """Where a browser finds what listens there."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(app: FastAPI, listener: socket.socket) -> None:
    """Answer until Ctrl-C, or until the system says that it is enough."""
    import uvicorn

    from barhouse.api.wire import Wire

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    told_as_ours("uvicorn")
    config = uvicorn.Config(
        app,
        http=Wire,
        ws="none",
        log_config=None,
        log_level="error",
        access_log=False,
        timeout_graceful_shutdown=5,
    )
    server = uvicorn.Server(config)
    # Streams of events end by themselves then; the server would wait for them
    app.state.is_leaving = lambda: server.should_exit
    server.run(sockets=[listener])


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
