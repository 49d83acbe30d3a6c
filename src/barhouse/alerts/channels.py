"""Channels: signed webhooks, and whatever apprise reaches (mail, chat, pagers).

Addresses bear secrets: a channel is called by its kind and a hash, and no error holds a word of its address.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import httpx
from pydantic import SecretStr

from barhouse.alerts.message import Message
from barhouse.alerts.places import PrivatePlace, is_private, place
from barhouse.errors import SettingsError

PATIENCE = 10.0
"""Seconds that a receiver has for its answer."""

SIGNATURE, TIMESTAMP, DELIVERY = "X-Barhouse-Signature", "X-Barhouse-Timestamp", "X-Barhouse-Delivery"

_BETWEEN = re.compile(r"[\s,]+(?=[A-Za-z][A-Za-z0-9+.-]*://)")
"""Addresses are separated by blanks or commas; a comma within one stays."""


class NotDelivered(Exception):
    """A channel did not take a message; says why, without its address."""


class Channel(Protocol):
    """Carries messages to somebody."""

    @property
    def name(self) -> str:
        """Its kind and a hash of its address."""

    def send(self, message: Message) -> None:
        """Carry a message; NotDelivered if the other end did not take it."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """POSTs JSON, signed by HMAC-SHA256 over the timestamp, a dot and the body."""

    name: str
    url: SecretStr
    secret: SecretStr
    private_networks: bool = False

    def send(self, message: Message) -> None:
        """POST it; any answer of 2xx is a receipt. Redirects are not followed: they were not signed for.

        The address that was found to be in the open network is the one that is called: a name that means another one
        a moment later leads nowhere else.
        """
        body = message.payload()
        headers = signed(self.secret, body, int(time.time())) | {DELIVERY: message.id}
        url, told = self._target()
        try:
            with (
                httpx.Client(timeout=PATIENCE) as client,
                client.stream("POST", url, content=body, headers=headers | told, extensions=_names(told)) as answer,
            ):
                status = answer.status_code
        except httpx.HTTPError as error:
            raise NotDelivered(f"{self.name}: {type(error).__name__}") from None
        if not 200 <= status < 300:
            raise NotDelivered(f"{self.name}: answered {status}")

    def _target(self) -> tuple[httpx.URL, dict[str, str]]:
        """Where to call, and under which name; NotDelivered for a host that must not be called."""
        url = httpx.URL(self.url.get_secret_value())
        if self.private_networks:
            return url, {}
        host = _looked_up(self.name, url.host, url.port or (443 if url.scheme == "https" else 80))
        return url.copy_with(host=host), {"Host": url.netloc.decode("ascii")}


def _names(told: Mapping[str, str]) -> dict[str, str]:
    """The name for which the certificate of a host must stand, where it is called by its address."""
    return {"sni_hostname": httpx.URL(f"//{told['Host']}").host} if told else {}


def _looked_up(name: str, host: str, port: int) -> str:
    """An address of a host in the open network; NotDelivered if it has none."""
    try:
        return place(host, port)
    except PrivatePlace:
        raise NotDelivered(f"{name}: its host lies in a private network (BARHOUSE_ALERT_PRIVATE_NETWORKS)") from None
    except (OSError, UnicodeError):
        raise NotDelivered(f"{name}: its host is not found") from None


def signed(secret: SecretStr, body: bytes, timestamp: int) -> dict[str, str]:
    """The headers that prove who sent `body`, and when (epoch seconds)."""
    text = b"%d.%b" % (timestamp, body)
    digest = hmac.new(secret.get_secret_value().encode(), text, hashlib.sha256).hexdigest()
    return {"Content-Type": "application/json", TIMESTAMP: str(timestamp), SIGNATURE: f"sha256={digest}"}


@dataclass(frozen=True, slots=True)
class Notifier:
    """Tells by a service that apprise knows."""

    name: str
    service: Any
    private_networks: bool = False

    def send(self, message: Message) -> None:
        """Tell it; apprise says whether it was taken, its own log may bear addresses and stays shut."""
        if not self.private_networks and (host := getattr(self.service, "host", None)):
            _looked_up(self.name, host, 0)
        kind = {"over": "success", "test": "info"}.get(message.event, _kind(message.severity))
        try:
            taken = self.service.notify(title=message.title, body=message.body, notify_type=kind)
        except Exception as error:  # noqa: BLE001 - a plugin of a hundred; whatever it raised, nobody was told
            raise NotDelivered(f"{self.name}: {type(error).__name__}") from None
        if not taken:
            raise NotDelivered(f"{self.name}: the service did not take it")


def _kind(severity: str) -> str:
    return "failure" if severity == "critical" else "warning"


def channels(urls: SecretStr | None, secret: SecretStr | None, *, private_networks: bool = False) -> Sequence[Channel]:
    """The channels of `BARHOUSE_ALERT_URLS`, each once; SettingsError tells which one cannot be used, by its place."""
    given = urls.get_secret_value().strip() if urls else ""
    addresses = dict.fromkeys(_BETWEEN.split(given)) if given else {}
    return [
        _channel(number, each, secret, private_networks=private_networks) for number, each in enumerate(addresses, 1)
    ]


def _channel(number: int, address: str, secret: SecretStr | None, *, private_networks: bool) -> Channel:
    digest = hashlib.sha256(address.encode()).hexdigest()[:8]
    if address.lower().startswith(("http://", "https://")):
        if not secret or not secret.get_secret_value():
            raise SettingsError("BARHOUSE_ALERT_URLS has a webhook: set BARHOUSE_ALERT_SECRET, by which it is signed")
        _checked(number, address, private_networks=private_networks)
        return Webhook(f"webhook-{digest}", SecretStr(address), secret, private_networks)
    service = _service(address)
    if service is None:
        raise SettingsError(f"BARHOUSE_ALERT_URLS: apprise knows no service of the form of address {number}")
    # A service in the open network could send it on into a private one
    service.redirects = private_networks
    return Notifier(f"{address.split(':')[0].lower()}-{digest}", service, private_networks)


def _checked(number: int, address: str, *, private_networks: bool) -> None:
    try:
        host = httpx.URL(address).host
    except httpx.InvalidURL:
        host = ""
    if not host:
        raise SettingsError(f"BARHOUSE_ALERT_URLS: address {number} is no URL")
    if is_private(host) and not private_networks:
        raise SettingsError(
            f"BARHOUSE_ALERT_URLS: address {number} lies in a private network; "
            "BARHOUSE_ALERT_PRIVATE_NETWORKS=true lets messages go there"
        )


def _service(address: str) -> Any:
    """What apprise makes of an address; it is imported only where one is wanted, since that takes half a second."""
    import apprise

    logging.getLogger("apprise").propagate = False
    return apprise.Apprise.instantiate(address, suppress_exceptions=True)
