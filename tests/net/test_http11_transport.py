"""Our transport beside httpx's own: the same answers and the same classes of exceptions."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
import threading
from pathlib import Path

import httpx
import pytest

from bridge.net.http11_connection import TimeLimits
from bridge.net.http11_transport import Http11Transport, head_of, origin_of
from bridge.net.tls import client_context
from tests.net.raw_http import (
    KEPT,
    LENGTH_2,
    OK,
    Make,
    Outcome,
    Peer,
    Run,
    Script,
    answers,
    exchange,
    full_backlog,
    httpx_own,
    ok,
    ours,
    outcome,
    raw_server,
    serving,
    trusting,
    unread,
)
from tests.smtp.conftest import Certificate, make_certificate
from tests.support import free_port, program

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


# --- failures on the way --------------------------------------------------------------------------


@pytest.mark.parametrize("make", [ours, httpx_own])
def test_nothing_is_sent_where_nobody_listens(make: Make, run: Run) -> None:
    async def scenario() -> None:
        transport = make()
        url = f"http://127.0.0.1:{free_port()}/"
        assert await outcome(transport, url) is httpx.ConnectError
        assert await outcome(transport, "ftp://127.0.0.1/") is httpx.UnsupportedProtocol
        await transport.aclose()

    run(scenario())


@pytest.mark.parametrize("make", [ours, httpx_own])
def test_a_server_that_takes_no_connections_costs_the_time_limit(make: Make, run: Run) -> None:
    async def scenario() -> None:
        transport = make()
        with full_backlog() as port:
            url = f"http://127.0.0.1:{port}/"
            assert await outcome(transport, url, connect=0.2) is httpx.ConnectTimeout
        await transport.aclose()

    run(scenario())


@pytest.mark.parametrize("make", [ours, httpx_own])
@pytest.mark.parametrize("value", ["a\r\nX-B: b", "a\nb", "a\0b"])
def test_headers_with_line_breaks_are_not_sent(make: Make, value: str, run: Run) -> None:
    async def scenario() -> None:
        transport = make()
        async with raw_server(answers(KEPT)) as server:
            url = f"http://127.0.0.1:{server.port}/"
            found = await outcome(transport, url, headers={"X-A": value})
            assert found is httpx.LocalProtocolError
            assert not any(peer.requests for peer in server.peers)
            await transport.aclose()

    run(scenario())


@pytest.mark.parametrize("make", [ours, httpx_own])
def test_a_request_waits_while_all_connections_are_busy(make: Make, run: Run) -> None:
    async def scenario() -> None:
        transport = make(connections=1)
        asked, answer = asyncio.Event(), asyncio.Event()

        async def script(peer: Peer) -> None:
            await peer.request()
            asked.set()
            await answer.wait()
            await peer.send(KEPT)
            await peer.request()
            await peer.send(KEPT)

        async with raw_server(script) as server:
            url = f"http://127.0.0.1:{server.port}/"
            first = asyncio.create_task(exchange(transport, url))
            await asked.wait()
            assert await outcome(transport, url, pool=0.1) is httpx.PoolTimeout
            third = asyncio.create_task(exchange(transport, url))
            answer.set()
            assert (await first).status == (await third).status == 200
            assert server.connections == 1
            await transport.aclose()

    run(scenario())


# --- connections ----------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [ours, httpx_own])
@pytest.mark.parametrize(
    ("script", "connections"),
    [
        (answers(KEPT, keep=True), 1),
        (answers(b"HTTP/1.1 100 Continue\r\n\r\n", KEPT, keep=True), 1),
        (answers(OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", keep=True), 1),
        (answers(b"HTTP/1.1 204 No Content\r\n\r\n", keep=True), 1),
        (answers(KEPT), 3),  # it closes them without a word
        (answers(OK + b"Connection: close\r\nContent-Length: 2\r\n\r\nok", keep=True), 3),
        (answers(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", keep=True), 3),
    ],
)
def test_connections_are_kept(make: Make, script: Script, connections: int, run: Run) -> None:
    async def scenario() -> None:
        transport = make()
        async with raw_server(script) as server:
            url = f"http://127.0.0.1:{server.port}/"
            for _ in range(3):
                assert (await exchange(transport, url)).status in (200, 204)
                await asyncio.sleep(0.02)  # the server's close comes after its answer
            assert server.connections == connections
            await transport.aclose()

    run(scenario())


@pytest.mark.parametrize("make", [ours, httpx_own])
def test_a_connection_closed_since_is_not_used(make: Make, run: Run) -> None:
    # The system knows it, though the loop has had no time to look.
    async def scenario() -> None:
        transport = make()
        closed = threading.Event()
        listening = socket.create_server(("127.0.0.1", 0))

        def serve() -> None:
            for _ in range(2):
                taken, _ = listening.accept()
                taken.recv(65536)
                taken.sendall(KEPT)
                proceed.wait(10)
                taken.close()
                closed.set()

        proceed = threading.Event()
        thread = threading.Thread(target=serve)
        thread.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/"
        assert (await exchange(transport, url)).body == b"ok"
        proceed.set()
        closed.wait(10)  # and the loop with it
        assert (await exchange(transport, url)).body == b"ok"
        await transport.aclose()
        thread.join(10)
        listening.close()

    run(scenario())


def test_no_more_connections_than_allowed(run: Run) -> None:
    async def scenario() -> None:
        transport = ours(connections=2)
        under_way = most = 0

        async def script(peer: Peer) -> None:
            nonlocal under_way, most
            while True:
                await peer.request()
                under_way += 1
                most = max(most, under_way)
                await asyncio.sleep(0.01)
                under_way -= 1
                await peer.send(KEPT)

        async with raw_server(script) as server, raw_server(script) as other:
            url = f"http://127.0.0.1:{server.port}/"
            await asyncio.gather(*(exchange(transport, url) for _ in range(8)))
            assert server.connections == most == 2
            # Both rest; one makes room for another server.
            assert (await exchange(transport, f"http://127.0.0.1:{other.port}/")).status == 200
            await server.gone.wait()
            await transport.aclose()

    run(scenario())


def test_a_resting_connection_is_closed_in_the_end(run: Run) -> None:
    async def scenario() -> None:
        transport = Http11Transport(ssl.create_default_context(), connections=1, keep_for=0.05)
        async with raw_server(answers(KEPT, keep=True)) as server:
            await exchange(transport, f"http://127.0.0.1:{server.port}/")
            await server.gone.wait()
            await exchange(transport, f"http://127.0.0.1:{server.port}/")
            assert server.connections == 2
            await transport.aclose()

    run(scenario())


def test_a_cancelled_request_closes_its_connection(run: Run) -> None:
    async def scenario(answer: bytes) -> None:
        transport = ours(connections=1)
        asked = asyncio.Event()

        async def script(peer: Peer) -> None:
            await peer.request()
            await peer.send(answer)
            asked.set()
            await peer.request()

        async with raw_server(script) as server:
            url = f"http://127.0.0.1:{server.port}/"
            task = asyncio.create_task(exchange(transport, url))
            await asked.wait()
            await asyncio.sleep(0.02)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await server.gone.wait()
        async with raw_server(answers(KEPT)) as server:  # its place is free
            assert (await exchange(transport, f"http://127.0.0.1:{server.port}/")).body == b"ok"
        await transport.aclose()

    run(scenario(b""))
    run(scenario(OK + b"Content-Length: 10\r\n\r\nabc"))


def test_a_body_that_is_not_read_closes_its_connection(run: Run) -> None:
    async def scenario() -> None:
        transport = ours()

        async def script(peer: Peer) -> None:
            await peer.request()
            await peer.send(OK + b"Content-Length: 10\r\n\r\nabc")
            await peer.request()

        async with raw_server(script) as server:
            request = httpx.Request("GET", f"http://127.0.0.1:{server.port}/")
            response = await transport.handle_async_request(request)
            await response.aclose()
            await server.gone.wait()
        await transport.aclose()

    run(scenario())


def test_a_request_has_the_octets_that_httpx_sends(run: Run) -> None:
    async def scenario() -> None:
        seen = []
        for transport in (ours(), httpx_own()):
            async with raw_server(answers(KEPT)) as server:
                url = f"http://127.0.0.1:{server.port}/a%20b?c=%D1%8F#d"
                await exchange(transport, url, b"[1]", headers={"Host": "api.test", "X-A": "1"})
                seen.append(server.peers[0].requests)
            await transport.aclose()
        assert seen[0] == seen[1]
        assert seen[0][0].startswith(b"POST /a%20b?c=%D1%8F HTTP/1.1\r\n")

    run(scenario())


# --- TLS ------------------------------------------------------------------------------------------


def expired_certificate(folder: Path) -> Certificate:
    """As :func:`make_certificate`, but its time is over."""
    made = make_certificate(folder)
    request = folder / "request.pem"
    subject = ["-new", "-key", str(made.private_key), "-subj", "/CN=localhost"]
    _openssl("req", *subject, "-addext", "subjectAltName=IP:127.0.0.1", "-out", str(request))
    signed = ["-in", str(request), "-signkey", str(made.private_key), "-copy_extensions", "copy"]
    _openssl("x509", "-req", *signed, "-days", "-1", "-out", str(made.certificate))
    return made


def _openssl(*arguments: str) -> None:
    subprocess.run([program("openssl"), *arguments], check=True, capture_output=True)


@pytest.mark.parametrize("make", [ours, httpx_own])
def test_requests_go_over_tls(make: Make, certificate: Certificate, run: Run) -> None:
    async def scenario() -> None:
        transport = make(trusting(certificate))
        async with raw_server(answers(KEPT, keep=True), serving(certificate)) as server:
            for host in ("127.0.0.1", "localhost", "127.0.0.1"):
                url = f"https://{host}:{server.port}/"
                large = b"x" * 1_000_000
                assert await exchange(transport, url, large) == ok(b"ok", LENGTH_2)
            assert server.connections == 2
            await transport.aclose()

    run(scenario())


@pytest.mark.parametrize("make", [ours, httpx_own])
def test_nothing_is_sent_to_a_server_that_is_not_who_it_should_be(
    make: Make, certificate: Certificate, tmp_path: Path, run: Run
) -> None:
    expired = expired_certificate(tmp_path)

    async def scenario() -> None:
        for context, own, host in (
            (ssl.create_default_context(), certificate, "127.0.0.1"),  # nobody's
            (trusting(certificate), certificate, "127.0.0.2"),  # another name
            (trusting(expired), expired, "127.0.0.1"),
        ):
            transport = make(context)
            async with raw_server(answers(KEPT), serving(own)) as server:
                url = f"https://{host}:{server.port}/"
                assert await outcome(transport, url) is httpx.ConnectError
                assert not any(peer.requests for peer in server.peers)
            await transport.aclose()

    run(scenario())


async def _no_tls(peer: Peer) -> None:
    await peer.reader.read(1)
    await peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")


async def _reset_at_once(peer: Peer) -> None:
    await peer.reader.read(1)
    peer.reset()


async def _close_at_once(peer: Peer) -> None:
    await peer.reader.readexactly(100)


@pytest.mark.parametrize("make", [ours, httpx_own])
@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (_no_tls, httpx.ConnectError),
        (_reset_at_once, httpx.ConnectError),
        (_close_at_once, httpx.ConnectError),
        (unread, httpx.ConnectTimeout),
    ],
)
def test_handshakes_that_fail(make: Make, script: Script, expected: Outcome, run: Run) -> None:
    async def scenario() -> None:
        transport = make()
        async with raw_server(script) as server:
            url = f"https://127.0.0.1:{server.port}/"
            limit = 0.3 if expected is httpx.ConnectTimeout else 10.0
            assert await outcome(transport, url, connect=limit) is expected
        await transport.aclose()

    run(scenario())


# --- whole exchanges ------------------------------------------------------------------------------


def test_an_exchange_leaves_its_connection_for_the_next(run: Run) -> None:
    async def scenario() -> None:
        async with raw_server(answers(KEPT, keep=True)) as server:
            transport = Http11Transport(client_context(), connections=1, keep_for=60)
            origin = origin_of(httpx.URL(f"http://127.0.0.1:{server.port}"))
            for _ in range(3):
                answer = await transport.exchange(origin, GET, TimeLimits(), within=30, most=1000)
                assert answer == (200, [(b"Content-Length", b"2")], b"ok")
            assert server.connections == 1
            await transport.aclose()

    run(scenario())


@pytest.mark.parametrize("line", [b"X-Key: a\r\nX-Other: b", b"X-Key: a\nb", b"X-Key: \0"])
def test_a_line_of_a_head_is_one_line(line: bytes) -> None:
    with pytest.raises(httpx.LocalProtocolError):
        head_of([b"Host: a", line])
