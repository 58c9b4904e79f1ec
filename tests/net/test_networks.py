"""Addresses, their origins and their networks."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from bridge.net.networks import NetworkMap, network_set, origin, without_mapping


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("/run/socket", "/run/socket"),
    ],
)
def test_failures_of_an_ipv6_customer_are_counted_together(address: str, key: str) -> None:
    assert origin(address) == key


def test_a_mapped_address_is_written_as_ipv4() -> None:
    assert without_mapping("::ffff:192.0.2.7") == "192.0.2.7"
    assert without_mapping("::ffff:1") == "::ffff:1"


def test_the_most_specific_network_counts() -> None:
    networks = {"10.0.0.0/8": "all", "10.1.0.0/16": "some", "10.1.2.3/32": "one", "fd00::/8": "six"}
    found = NetworkMap((ip_network(network), name) for network, name in networks.items())
    assert found.find("10.1.2.3") == "one"
    assert found.find("10.1.2.4") == "some"
    assert found.find("::ffff:10.9.9.9") == "all"
    assert found.find("fd00::1") == "six"
    assert found.find("192.0.2.1") is None
    assert found.find("no address") is None


def test_an_empty_set_holds_nothing() -> None:
    assert not network_set([])
    assert network_set([]).find("10.0.0.1") is None
    assert network_set([ip_network("10.0.0.0/8")]).find("10.0.0.1") is True
