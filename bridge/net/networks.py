"""Client addresses: parsing them, their origin, and the configured network of each.

Addresses come as the text that a socket gives. Permissions are decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Generic, TypeVar

T = TypeVar("T")


@lru_cache(maxsize=4096)
def parse_address(address: str) -> IPv4Address | IPv6Address | None:
    """The parsed address, IPv4-mapped IPv6 as IPv4; None if it is no address (a socket's path)."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return getattr(parsed, "ipv4_mapped", None) or parsed


def without_mapping(address: str) -> str:
    """An IPv4 address that came over an IPv6 socket (``::ffff:192.0.2.1``) as IPv4."""
    return address[7:] if address.startswith("::ffff:") and "." in address else address


@lru_cache(maxsize=4096)
def origin(address: str) -> str:
    """The key under which failures are counted: an IPv4 address, or the /64 of an IPv6 customer."""
    parsed = parse_address(address)
    if isinstance(parsed, IPv6Address):
        return f"{IPv6Address(int(parsed) >> 64 << 64)}/64"
    return str(parsed or address)


class NetworkMap(Generic[T]):
    """Finds the value of the most specific network that holds an address."""

    def __init__(self, entries: Iterable[tuple[IPv4Network | IPv6Network, T]] = ()) -> None:
        tables: dict[tuple[int, int], dict[int, T]] = {}
        for network, value in entries:
            shift = network.max_prefixlen - network.prefixlen
            table = tables.setdefault((network.version, shift), {})
            table[int(network.network_address) >> shift] = value
        self._tables = sorted(tables.items(), key=lambda item: item[0][1])

    def __bool__(self) -> bool:
        return bool(self._tables)

    def find(self, address: str) -> T | None:
        parsed = parse_address(address) if self._tables else None
        if parsed is None:
            return None
        version, number = parsed.version, int(parsed)
        for (table_version, shift), table in self._tables:
            if table_version == version and (number >> shift) in table:
                return table[number >> shift]
        return None


def network_set(networks: Iterable[IPv4Network | IPv6Network]) -> NetworkMap[bool]:
    """Finds True for every address inside one of these, such as the proxies of a listener."""
    return NetworkMap((network, True) for network in networks)
