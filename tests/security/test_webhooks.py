"""A receiver that is allowed sends nobody on to a place that is not."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

from pydantic import SecretStr

from barhouse.alerts.channels import Notifier, channels
from barhouse.flow.alerting import tried
from tests.receiver import receiver

SECRET = SecretStr("between us")


@contextmanager
def sending_on(place: str) -> Iterator[str]:
    """The URL of a server whose every answer says that the call is to be made elsewhere."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(307)
            self.send_header("Location", place)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_port}/hook"
    finally:
        server.shutdown()
        server.server_close()


def test_a_webhook_goes_where_it_is_sent_and_no_further() -> None:
    with receiver() as inside, sending_on(inside.url) as outside:
        [(_, refusal)] = tried(channels(SecretStr(f"http://{outside}"), SECRET, private_networks=True))

    assert refusal
    assert refusal.endswith("answered 307")
    assert inside.posts == []


def test_a_service_is_followed_into_no_private_network() -> None:
    [told] = channels(SecretStr("json://hooks.example/a"), SECRET)
    assert isinstance(told, Notifier)

    with receiver() as inside, sending_on(inside.url) as outside:
        host, _, port = outside.partition("/")[0].partition(":")
        told.service.host, told.service.port = host, int(port)
        assert not told.service.notify(body="x")

    assert inside.posts == []
