"""The PROXY protocol, versions 1 and 2: the client behind a proxy's connection. No I/O.

Decides where a header ends and which client it names, by the protocol's specification (HAProxy,
``proxy-protocol.txt``, whose sections are cited). The listeners decide who may send one, and how
long to wait for it.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

#: No header is shorter: ``PROXY UNKNOWN`` with CR LF (§2.1).
MIN_HEADER = 15
#: The longest of version 1, CR LF included (§2.1).
MAX_V1 = 107
#: The longest of version 2 that is read: addresses, and TLVs such as a client's certificate name.
MAX_V2 = 4096

#: The first octets of version 2 (§2.2).
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
_V1_START = b"PROXY "
_V2_PREFIX = len(SIGNATURE) + 4

_PORT = re.compile(rb"0|[1-9][0-9]{0,4}")

# §2.2: version and command; family and transport.
_V2_LOCAL, _V2_PROXY = 0x20, 0x21
_V2_ADDRESSES = {0x11: (IPv4Address, 4), 0x21: (IPv6Address, 16)}
_V1_ADDRESSES: dict[bytes, type[IPv4Address] | type[IPv6Address]] = {
    b"TCP4": IPv4Address,
    b"TCP6": IPv6Address,
}


class ProxyError(ValueError):
    """The header is missing or broken: the connection must be closed (§2)."""


class Header(NamedTuple):
    """A complete header: the client's address and port, and the header's length in octets.

    ``address`` is empty if the connection is the proxy's own (LOCAL, such as health checks) or its
    client is unknown: the connection's own address counts then (§2.1, §2.2).
    """

    address: str
    port: int
    size: int


def missing(octets: bytes | bytearray) -> int:
    """The least number of octets that the header at the start of ``octets`` lacks; 0: none.

    Reading exactly this number of octets never reads beyond the header. Raises :class:`ProxyError`
    as soon as it cannot be a header.
    """
    if octets.startswith(SIGNATURE[: len(octets)]):
        if len(octets) < MIN_HEADER:
            return MIN_HEADER - len(octets)
        if len(octets) < _V2_PREFIX:
            return _V2_PREFIX - len(octets)
        return max(_v2_size(octets) - len(octets), 0)
    if not octets[: len(_V1_START)] == _V1_START[: len(octets)]:
        raise ProxyError("no PROXY header")
    if len(octets) < MIN_HEADER:
        return MIN_HEADER - len(octets)
    if octets.find(b"\r\n", 0, MAX_V1) >= 0:
        return 0
    if len(octets) >= MAX_V1:
        raise ProxyError("a PROXY header without an end")
    # Only the last octet of CR LF may be missing.
    return 1 if octets.endswith(b"\r") else 2


def parse(octets: bytes | bytearray) -> Header | None:
    """The header at the start of ``octets``; ``None`` while it is incomplete.

    Raises :class:`ProxyError` for an invalid header, another version, or invalid addresses.
    Transports other than TCP are read as "unknown".
    """
    if missing(octets):
        return None
    return _parse_v2(octets) if octets.startswith(SIGNATURE) else _parse_v1(octets)


def _v2_size(octets: bytes | bytearray) -> int:
    size = _V2_PREFIX + int.from_bytes(octets[14:16], "big")
    if size > MAX_V2:
        raise ProxyError(f"a PROXY header of {size} octets")
    return size


def _parse_v1(octets: bytes | bytearray) -> Header:
    end = octets.index(b"\r\n")
    fields = bytes(octets[:end]).split(b" ")
    size = end + 2
    family = fields[1]
    if family == b"UNKNOWN":
        return Header("", 0, size)  # §2.1: whatever else stands in the line is ignored.
    kind = _V1_ADDRESSES.get(family)
    if kind is None or len(fields) != 6:
        raise ProxyError("a broken PROXY header")
    source, destination, *ports = fields[2:]
    try:
        address = kind(source.decode("ascii"))
        kind(destination.decode("ascii"))
    except ValueError:
        raise ProxyError("a PROXY header with a broken address") from None
    if not all(_PORT.fullmatch(port) and int(port) <= 65535 for port in ports):
        raise ProxyError("a PROXY header with a broken port")
    return Header(str(address), int(ports[0]), size)


def _parse_v2(octets: bytes | bytearray) -> Header:
    size = _v2_size(octets)
    command, family = octets[12], octets[13]
    if command == _V2_LOCAL:
        return Header("", 0, size)
    if command != _V2_PROXY:
        raise ProxyError("a PROXY header of an unknown version or command")
    if family not in _V2_ADDRESSES:
        return Header("", 0, size)
    kind, length = _V2_ADDRESSES[family]
    if size < _V2_PREFIX + 2 * length + 4:
        raise ProxyError("a PROXY header that is too short for its addresses")
    address = kind(bytes(octets[_V2_PREFIX : _V2_PREFIX + length]))
    port = int.from_bytes(octets[_V2_PREFIX + 2 * length :][:2], "big")
    return Header(str(address), port, size)
