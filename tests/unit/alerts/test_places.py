"""Which hosts lie in the open network; the addresses are those of RFC 1918, 4193, 3927, 6598, 6052 and their like."""

from __future__ import annotations

import pytest

from barhouse.alerts.places import is_private


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "db.internal",
        "printer.local",
        "LOCALHOST.",
        "127.0.0.1",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fd00::1",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
    ],
)
def test_this_machine_and_private_networks_are_no_open_place(host: str) -> None:
    assert is_private(host)


@pytest.mark.parametrize(
    "host", ["hooks.example", "8.8.8.8", "2606:4700::1111", "64:ff9b::808:808", "internal.example"]
)
def test_other_places_are_open_as_far_as_their_name_tells(host: str) -> None:
    assert not is_private(host)
