"""Where messages may go: not to this machine nor into private networks, unless that was allowed."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

TRANSLATED = IPv6Network("64:ff9b::/96")
"""IPv4 as hosts that have IPv6 only see it (RFC 6052)."""


class PrivatePlace(Exception):
    """A host that only this machine, or a private network, reaches."""


def is_private(host: str) -> bool:
    """Whether a host is one by its very name; of most names that is known only when they are looked up."""
    name = host.strip("[]").rstrip(".").lower()
    try:
        return not _is_open(ip_address(name))
    except ValueError:
        return name == "localhost" or name.endswith((".localhost", ".local", ".internal"))


def place(host: str, port: int) -> str:
    """An address of `host` in the open network, looked up now; PrivatePlace if it has none, OSError for no host."""
    found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    # A scope (fe80::1%eth0) belongs to addresses that are not open anyway
    addresses = [str(each[4][0]).partition("%")[0] for each in found]
    reachable = [address for address in addresses if _is_open(ip_address(address))]
    if not reachable:
        raise PrivatePlace
    return reachable[0]


def _is_open(address: IPv4Address | IPv6Address) -> bool:
    inner = _within(address) if isinstance(address, IPv6Address) else None
    if inner is not None:
        return _is_open(inner)
    return address.is_global and not address.is_multicast


def _within(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 one stands for, if it does."""
    if address in TRANSLATED:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None)
