"""Connections through proxies and TLS handshakes, on real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network
from typing import cast

import pytest
from structlog.testing import capture_logs

from bridge.config.settings import Endpoint
from bridge.net import socket_server
from bridge.net.connection_limits import ConnectionLimits
from bridge.net.networks import NetworkMap
from bridge.net.socket_server import SocketServer
from bridge.net.tls import server_context
from tests.smtp.conftest import Certificate, certificate

__all__ = ["certificate"]

HEADER = b"PROXY TCP4 192.0.2.7 198.51.100.1 40000 25\r\n"
V2 = (
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"
    + socket.inet_aton("192.0.2.8")
    + socket.inet_aton("198.51.100.1")
    + b"\x9c\x40\0\x19"
)


class Echo(asyncio.Protocol):
    """Sends the client's address, then echoes its input."""

    def __init__(self, client: str | None) -> None:
        self.client = client

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.write(f"{self.client or 'itself'}\n".encode())

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


@asynccontextmanager
async def echoing(
    network: str = "127.0.0.0/8",
    context: ssl.SSLContext | None = None,
    limits: ConnectionLimits | None = None,
    handshake_timeout: float = 15.0,
) -> AsyncIterator[int]:
    proxies = NetworkMap([(ip_network(network), True)])
    server = SocketServer(
        Echo,
        lambda: proxies,
        context=context,
        limits=limits,
        handshake_timeout=handshake_timeout,
    )
    await server.start(Endpoint("127.0.0.1", 0))
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


async def exchange(port: int, *pieces: bytes, context: ssl.SSLContext | None = None) -> bytes:
    """The answer to these pieces."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    heard = b""
    # uvloop raises RuntimeError for writing to a closed connection.
    with contextlib.suppress(ConnectionError, RuntimeError):
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.002)
        if context is not None:
            await writer.start_tls(context, server_hostname="localhost")
        writer.write(b"hello\n")
        async with asyncio.timeout(30):
            while b"hello" not in heard and (chunk := await reader.read(1000)):
                heard += chunk
    writer.close()
    return heard


@pytest.mark.parametrize(("header", "client"), [(HEADER, b"192.0.2.7"), (V2, b"192.0.2.8")])
async def test_the_header_names_the_client(header: bytes, client: bytes) -> None:
    async with echoing() as port:
        assert await exchange(port, header) == client + b"\nhello\n"
        assert await exchange(port, header + b"and ") == client + b"\nand hello\n"


@pytest.mark.parametrize("header", [HEADER, V2])
async def test_the_header_comes_in_pieces(header: bytes) -> None:
    async with echoing() as port:
        pieces = [header[n : n + 1] for n in range(len(header))]
        assert (await exchange(port, *pieces)).endswith(b"\nhello\n")


async def test_a_proxy_that_speaks_for_itself() -> None:
    async with echoing() as port:
        assert await exchange(port, b"PROXY UNKNOWN\r\n") == b"itself\nhello\n"


async def test_a_proxy_must_begin_with_a_header() -> None:
    async with echoing() as port:
        assert await exchange(port, b"EHLO client.test\r\n") == b""


async def test_a_client_that_is_no_proxy_keeps_its_own_address() -> None:
    async with echoing(network="192.0.2.0/24") as port:
        assert await exchange(port, HEADER) == b"itself\n" + HEADER + b"hello\n"


async def test_a_proxy_gets_little_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket_server, "HEADER_WITHIN", 0.05)
    async with echoing() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(HEADER[:10])
        async with asyncio.timeout(30):
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
        writer.close()


async def test_the_header_stands_before_tls(certificate: Certificate) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate, certificate.private_key)
    async with echoing(context=context) as port:
        for header, client in ((HEADER, b"192.0.2.7"), (V2, b"192.0.2.8")):
            heard = await exchange(port, header, context=certificate.context())
            assert heard == client + b"\nhello\n"
        # A failed handshake does not affect others.
        assert await exchange(port, HEADER + b"no handshake at all\r\n" * 20) != b"hello\n"
        assert await exchange(port, HEADER, context=certificate.context())


async def test_closing_drops_connections_without_their_header() -> None:
    async with echoing() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(HEADER[:10])
        await writer.drain()
    async with asyncio.timeout(30):
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
    writer.close()


async def test_an_address_in_use_is_said() -> None:
    async with echoing() as port:
        second = SocketServer(Echo, NetworkMap)
        with pytest.raises(OSError, match="in use"):
            await second.start(Endpoint("127.0.0.1", port))


# --- TLS handshakes


def serving(certificate: Certificate) -> ssl.SSLContext:
    context = server_context(certificate.certificate, certificate.private_key)
    assert context is not None
    return context


async def hello(port: int, certificate: Certificate, source: str = "127.0.0.1") -> bytes:
    """The answer to a normal client from this address."""
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=certificate.context(), local_addr=(source, 0)
    )
    async with asyncio.timeout(30):
        heard = await reader.readline()
    writer.close()
    return heard


async def test_handshakes_that_say_nothing_keep_nobody_out(certificate: Certificate) -> None:
    limits = ConnectionLimits(60, 50)
    async with echoing("192.0.2.0/24", serving(certificate), limits) as port:
        idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(120)]
        # From another address and from the same one: the oldest handshake is dropped.
        assert await hello(port, certificate, "127.0.0.2") == b"itself\n"
        assert await hello(port, certificate) == b"itself\n"
        ended = [reader.at_eof() for reader, _ in idle]
        assert sum(ended) >= 69
        assert not any(ended[-40:])
        for _, writer in idle:
            writer.close()


async def test_handshakes_count_as_connections(certificate: Certificate) -> None:
    limits = ConnectionLimits(100, 2)
    async with echoing("192.0.2.0/24", serving(certificate), limits) as port:
        limits.count_in("127.0.0.1")
        limits.count_in("127.0.0.1")
        with capture_logs() as logs, pytest.raises((OSError, ssl.SSLError)):
            await hello(port, certificate)
        assert await hello(port, certificate, "127.0.0.2") == b"itself\n"
        limits.count_out("127.0.0.1")
        assert await hello(port, certificate) == b"itself\n"
    assert [event["event"] for event in logs] == ["connection_refused"]


async def test_a_failed_handshake_is_logged_with_its_reason_and_counted_out(
    certificate: Certificate,
) -> None:
    limits = ConnectionLimits(0, 1)
    with capture_logs() as logs:
        async with echoing("192.0.2.0/24", serving(certificate), limits, 0.2) as port:
            for said in (b"GET / HTTP/1.1\r\n\r\n", b""):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(said)
                async with asyncio.timeout(30):
                    with contextlib.suppress(ConnectionError):
                        await reader.read()
                writer.close()
            assert await hello(port, certificate) == b"itself\n"
    failed = [event for event in logs if event["event"] == "tls_failed"]
    assert {event["address"] for event in failed} == {"127.0.0.1"}
    assert failed[0]["cause"] == "HTTP_REQUEST"
    assert "handshake" in failed[1]["cause"]


async def test_a_connection_that_begins_as_the_server_closes_hears_of_its_end() -> None:
    begun: asyncio.Queue[asyncio.Transport] = asyncio.Queue()
    lost = asyncio.Event()

    class Client(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            begun.put_nowait(cast("asyncio.Transport", transport))
            asyncio.get_running_loop().call_soon(server.close)  # before its task goes on

        def connection_lost(self, exc: Exception | None) -> None:
            lost.set()

    server = SocketServer(lambda client: Client(), lambda: NetworkMap([]))
    await server.start(Endpoint("127.0.0.1", 0))
    _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    (await begun.get()).abort()
    await server.wait_closed()
    await asyncio.wait_for(lost.wait(), 30)
    writer.close()


def test_all_of_it_on_uvloop(certificate: Certificate) -> None:
    uvloop = pytest.importorskip("uvloop")
    for scenario in (
        test_the_header_names_the_client(HEADER, b"192.0.2.7"),
        test_a_proxy_must_begin_with_a_header(),
        test_the_header_stands_before_tls(certificate),
        test_closing_drops_connections_without_their_header(),
        test_handshakes_that_say_nothing_keep_nobody_out(certificate),
        test_handshakes_count_as_connections(certificate),
        test_a_connection_that_begins_as_the_server_closes_hears_of_its_end(),
    ):
        uvloop.run(scenario)
