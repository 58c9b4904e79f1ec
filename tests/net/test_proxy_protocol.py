"""PROXY headers: all forms, in pieces, and invalid ones."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.net.proxy_protocol import MAX_V1, MAX_V2, SIGNATURE, Header, ProxyError, missing, parse


def v2(command: int, family: int, body: bytes) -> bytes:
    return SIGNATURE + bytes([command, family]) + len(body).to_bytes(2, "big") + body


def addresses(source: str, destination: str, port: int) -> bytes:
    packed = ip_address(source).packed + ip_address(destination).packed
    return packed + port.to_bytes(2, "big") + (25).to_bytes(2, "big")


V4 = addresses("192.0.2.7", "198.51.100.1", 40000)
V6 = addresses("2001:db8::7", "2001:db8::1", 40000)

GOOD = {
    b"PROXY TCP4 192.0.2.7 198.51.100.1 40000 25\r\n": ("192.0.2.7", 40000),
    b"PROXY TCP6 2001:db8::7 2001:db8::1 40000 25\r\n": ("2001:db8::7", 40000),
    b"PROXY TCP4 192.0.2.7 198.51.100.1 0 65535\r\n": ("192.0.2.7", 0),
    b"PROXY UNKNOWN\r\n": ("", 0),
    b"PROXY UNKNOWN ff:f::1 whatever it says 1 2\r\n": ("", 0),
    b"PROXY TCP6 " + b"ffff:" * 7 + b"ffff " + b"ffff:" * 7 + b"ffff 65535 65535\r\n": (
        ":".join(["ffff"] * 8),
        65535,
    ),
    v2(0x21, 0x11, V4): ("192.0.2.7", 40000),
    v2(0x21, 0x21, V6): ("2001:db8::7", 40000),
    v2(0x21, 0x11, V4 + b"\x04\x00\x03abc"): ("192.0.2.7", 40000),
    v2(0x20, 0x00, b""): ("", 0),
    v2(0x20, 0x11, V4): ("", 0),
    v2(0x21, 0x00, b""): ("", 0),
    v2(0x21, 0x12, V4): ("", 0),
    v2(0x21, 0x31, b"\0" * 216): ("", 0),
}

BAD = [
    b"EHLO client.test\r\n",
    b"\x16\x03\x01\x02\x00\x01",
    b"PROXY\r\n",
    b"PROXY TCP4\r\n      ",
    b"proxy UNKNOWN\r\n",
    b"PROXY UDP4 192.0.2.7 198.51.100.1 40000 25\r\n",
    b"PROXY TCP4 192.0.2.7 198.51.100.1 40000\r\n",
    b"PROXY TCP4 192.0.2.7 198.51.100.1 40000 25 \r\n",
    b"PROXY TCP4  192.0.2.7 198.51.100.1 40000 25\r\n",
    b"PROXY TCP4 192.0.2.700 198.51.100.1 40000 25\r\n",
    b"PROXY TCP4 192.0.2.7 example.com 40000 25\r\n",
    b"PROXY TCP4 2001:db8::7 2001:db8::1 40000 25\r\n",
    b"PROXY TCP4 192.0.2.7 198.51.100.1 65536 25\r\n",
    b"PROXY TCP4 192.0.2.7 198.51.100.1 040 25\r\n",
    b"PROXY TCP4 192.0.2.7 198.51.100.1 -1 25\r\n",
    b"PROXY TCP4 \xff 198.51.100.1 1 25\r\n",
    b"PROXY UNKNOWN " + b"x" * MAX_V1 + b"\r\n",
    b"PROXY UNKNOWN\n" + b"x" * MAX_V1,
    SIGNATURE[:-1] + b"X\x21\x11\x00\x00",
    v2(0x11, 0x11, V4),
    v2(0x22, 0x11, V4),
    v2(0x21, 0x11, V4[:-1]),
    v2(0x21, 0x21, V4),
    v2(0x21, 0x11, V4 + b"\0" * MAX_V2),
]


@pytest.mark.parametrize("octets", GOOD)
def test_a_header_names_the_client(octets: bytes) -> None:
    address, port = GOOD[octets]
    assert parse(octets) == Header(address, port, len(octets))
    assert parse(octets + b"EHLO x\r\n") == Header(address, port, len(octets))


@pytest.mark.parametrize("octets", GOOD)
def test_a_header_that_is_not_whole_is_waited_for(octets: bytes) -> None:
    for cut in range(len(octets)):
        assert parse(octets[:cut]) is None


@pytest.mark.parametrize("octets", GOOD)
def test_reading_the_missing_octets_never_goes_beyond_the_header(octets: bytes) -> None:
    stream = octets + b"\r\nEHLO x\r\n"
    read = b""
    while count := missing(read):
        read = stream[: len(read) + count]
    assert read == octets


@pytest.mark.parametrize("octets", BAD)
def test_anything_else_is_an_error(octets: bytes) -> None:
    with pytest.raises(ProxyError):
        parse(octets)


def test_what_can_become_no_header_is_an_error_at_once() -> None:
    for octets in (b"E", b"PROXX", b"\r\n\r\n\0\rX"):
        with pytest.raises(ProxyError):
            parse(octets)


@given(st.binary(max_size=150) | st.binary(max_size=150).map(lambda tail: SIGNATURE + tail))
def test_octets_are_a_header_an_error_or_not_whole(octets: bytes) -> None:
    try:
        header = parse(octets)
    except ProxyError:
        return
    if header is None:
        assert missing(octets) > 0
    else:
        assert 15 <= header.size <= len(octets)


@given(st.ip_addresses(), st.integers(0, 65535))
def test_any_address_in_both_versions(address: object, port: int) -> None:
    text = str(address)
    family = (b"TCP6", 0x21, "::1") if ":" in text else (b"TCP4", 0x11, "127.0.0.1")
    line = b"PROXY %s %s %s %d 25\r\n" % (family[0], text.encode(), family[2].encode(), port)
    for octets in (line, v2(0x21, family[1], addresses(text, family[2], port))):
        header = parse(octets)
        assert header is not None
        assert ip_address(header.address) == address
        assert header.port == port
