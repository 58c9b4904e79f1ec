"""A connection: how it reads answers, which failures it tells, when it may be used again."""

from __future__ import annotations

import asyncio
import gzip
import os
import socket
import time

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.net.http11_connection import READ_AHEAD, TimeLimits
from bridge.net.http11_transport import Http11Transport, origin_of
from bridge.net.tls import client_context
from tests.net.raw_http import (
    HUGE,
    KEPT,
    LENGTH_2,
    OK,
    PROTOCOL,
    Make,
    Outcome,
    Peer,
    Run,
    Script,
    answers,
    exchange,
    httpx_own,
    ok,
    ours,
    outcome,
    raw_server,
    serving,
    trusting,
    unread,
)
from tests.smtp.conftest import Certificate

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


CHUNKED = ("transfer-encoding", "chunked")


#: What the server sends before it closes the connection, and what both transports make of it.
ANSWERS: dict[str, tuple[bytes, Outcome]] = {
    "content-length": (KEPT, ok(b"ok", LENGTH_2)),
    "until close": (OK + b"\r\nall of it", ok(b"all of it")),
    "until close, empty": (OK + b"\r\n", ok()),
    "chunked": (
        OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n3;x=y\r\ncde\r\n0\r\n\r\n",
        ok(b"abcde", CHUNKED),
    ),
    "chunked, with a trailer": (
        OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Sum: 1\r\n\r\n",
        ok(b"a", CHUNKED),
    ),
    "HTTP/1.0": (b"HTTP/1.0 200 OK\r\n\r\nold", ok(b"old")),
    "HTTP/1.0 with a length": (
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        ok(b"ok", LENGTH_2),
    ),
    "204": (b"HTTP/1.1 204 No Content\r\n\r\n", ok(status=204)),
    "304 with a length": (
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n",
        ok(b"", ("content-length", "7"), status=304),
    ),
    "no reason": (b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", ok(b"ok", LENGTH_2)),
    "status of no meaning": (
        b"HTTP/1.1 799 Odd\r\nContent-Length: 2\r\n\r\nok",
        ok(b"ok", LENGTH_2, status=799),
    ),
    "100 before it": (b"HTTP/1.1 100 Continue\r\n\r\n" + KEPT, ok(b"ok", LENGTH_2)),
    "103 before it": (
        b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n" + KEPT,
        ok(b"ok", LENGTH_2),
    ),
    "header twice": (
        OK + b"X-A: 1\r\nX-A: 2\r\nContent-Length: 2\r\n\r\nok",
        ok(b"ok", ("x-a", "1"), ("x-a", "2"), LENGTH_2),
    ),
    "header of octets": (
        OK + b"X-A: \xd0\xaf\r\nContent-Length: 2\r\n\r\nok",
        ok(b"ok", ("x-a", "\u042f"), LENGTH_2),
    ),
    "bare LF": (b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", ok(b"ok", LENGTH_2)),
    "gzip": (
        OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"ok"),
        ok(b"ok", ("content-encoding", "gzip")),
    ),
    "401": (
        b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno",
        ok(b"no", LENGTH_2, status=401),
    ),
    "500, close": (
        b"HTTP/1.1 500 Oops\r\nConnection: close\r\n\r\nno",
        ok(b"no", ("connection", "close"), status=500),
    ),
    "nothing": (b"", PROTOCOL),
    "half a status line": (b"HTTP/1.1 20", PROTOCOL),
    "half the headers": (OK + b"Content-Len", PROTOCOL),
    "only 100": (b"HTTP/1.1 100 Continue\r\n\r\n", PROTOCOL),
    "half a body": (OK + b"Content-Length: 10\r\n\r\nabc", PROTOCOL),
    "half a chunk": (OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab", PROTOCOL),
    "no last chunk": (OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", PROTOCOL),
    "chunk of no size": (OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nab\r\n", PROTOCOL),
    "chunk longer than said": (OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n", PROTOCOL),
    "garbage": (b"\x16\x03\x01\x02garbage\r\n\r\n", PROTOCOL),
    "another protocol": (b"220 mail.example.com ESMTP\r\n", PROTOCOL),
    "length that is none": (OK + b"Content-Length: two\r\n\r\nok", PROTOCOL),
    "negative length": (OK + b"Content-Length: -2\r\n\r\nok", PROTOCOL),
    "two lengths": (OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nok", PROTOCOL),
    "another transfer encoding": (OK + b"Transfer-Encoding: gzip\r\n\r\nok", PROTOCOL),
    "two transfer encodings": (
        OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        PROTOCOL,
    ),
    "header without a colon": (OK + b"Content-Length 2\r\n\r\nok", PROTOCOL),
    "NUL in a header": (OK + b"X-A: a\0b\r\nContent-Length: 2\r\n\r\nok", PROTOCOL),
    "upgrade nobody asked for": (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        PROTOCOL,
    ),
    "headers without end": (OK + b"X-A: " + b"a" * 200_000, PROTOCOL),
    "many headers": (OK + b"X-A: a\r\n" * 40_000, PROTOCOL),
}


#: Where they differ: what the server sends; ours; httpx's own.
DIFFERENCES: dict[str, tuple[bytes, Outcome, Outcome]] = {
    # Both mean "outcome unknown", and no server is known that sends one.
    "the same length twice": (
        OK + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nok",
        PROTOCOL,
        ok(b"ok", LENGTH_2),
    ),
    "folded header": (
        OK + b"X-A: a\r\n b\r\nContent-Length: 2\r\n\r\nok",
        PROTOCOL,
        ok(b"ok", ("x-a", "a b"), LENGTH_2),
    ),
    # Never safe (RFC 9112 §6.3): a proxy may have read the other one.
    "length and chunked": (
        OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        PROTOCOL,
        ok(b"ok", LENGTH_2, CHUNKED),
    ),
}


async def _outcomes(pieces: list[bytes]) -> tuple[Outcome, Outcome]:
    async with raw_server(answers(*pieces)) as server:
        url = f"http://127.0.0.1:{server.port}/"
        found = []
        for transport in (ours(), httpx_own()):
            found.append(await outcome(transport, url))
            await transport.aclose()
    return found[0], found[1]


def _pieces(octets: bytes) -> list[bytes]:
    """The octets one by one, or in a hundred pieces if they are many."""
    size = max(1, len(octets) // 100)
    return [octets[at : at + size] for at in range(0, len(octets), size)]


@pytest.mark.parametrize("name", ANSWERS)
def test_answers_are_those_of_httpx(name: str, run: Run) -> None:
    octets, expected = ANSWERS[name]
    assert run(_outcomes([octets])) == (expected, expected)
    assert run(_outcomes(_pieces(octets))) == (expected, expected)


@pytest.mark.parametrize("name", DIFFERENCES)
def test_where_answers_differ_from_those_of_httpx_is_known(name: str, run: Run) -> None:
    octets, own, other = DIFFERENCES[name]
    assert run(_outcomes([octets])) == (own, other)


@given(
    octets=st.lists(
        st.sampled_from([octets for octets, _ in ANSWERS.values() if len(octets) < 1000])
        | st.sampled_from([b"\r\n", b"\n", b" ", b"0", b"HTTP/1.1 ", b"Content-Length: 1\r\n"])
        | st.binary(max_size=5),
        max_size=4,
    ),
    cut=st.integers(0, 200),
)
@settings(max_examples=100)
def test_whatever_is_sent_is_an_answer_or_an_error_of_httpx(octets: list[bytes], cut: int) -> None:
    whole = b"".join(octets)

    async def scenario() -> None:
        async with raw_server(answers(whole[:cut], whole[cut:])) as server:
            transport = ours()
            await outcome(transport, f"http://127.0.0.1:{server.port}/")
            await transport.aclose()

    asyncio.run(scenario())


LATE = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno"


async def _silent(peer: Peer) -> None:
    await peer.request()
    await peer.reader.read(1)


async def _half_a_head(peer: Peer) -> None:
    await peer.request()
    await peer.send(OK + b"Content-Le")
    await peer.reader.read(1)


async def _half_a_body(peer: Peer) -> None:
    await peer.request()
    await peer.send(OK + b"Content-Length: 10\r\n\r\nabc")
    await peer.reader.read(1)


async def _reset(peer: Peer) -> None:
    await peer.request()
    peer.reset()


async def _reset_in_a_body(peer: Peer) -> None:
    await peer.request()
    await peer.send(OK + b"Content-Length: 10\r\n\r\nabc")
    await asyncio.sleep(0.05)
    peer.reset()


async def _early_answer(peer: Peer) -> None:
    await peer.reader.readuntil(b"\r\n\r\n")
    await peer.send(LATE)
    peer.writer.write_eof()
    while await peer.reader.read(65536):
        pass


async def _early_answer_unread(peer: Peer) -> None:
    await peer.reader.readuntil(b"\r\n\r\n")
    await peer.send(LATE)
    await asyncio.Event().wait()


async def _reset_in_a_request(peer: Peer) -> None:
    await peer.reader.readuntil(b"\r\n\r\n")
    await asyncio.sleep(0.05)
    peer.reset()


#: The server's script; the request's body; the time limit that is short; ours; httpx's own.
FAILURES: dict[str, tuple[Script, bytes, str, Outcome, Outcome]] = {
    "no answer": (_silent, b"{}", "read", httpx.ReadTimeout, httpx.ReadTimeout),
    "half the headers": (_half_a_head, b"{}", "read", httpx.ReadTimeout, httpx.ReadTimeout),
    "half a body": (_half_a_body, b"{}", "read", httpx.ReadTimeout, httpx.ReadTimeout),
    "reset": (_reset, b"{}", "", httpx.ReadError, httpx.ReadError),
    "reset in a body": (_reset_in_a_body, b"{}", "", httpx.ReadError, httpx.ReadError),
    "request not taken": (unread, HUGE, "write", httpx.WriteTimeout, httpx.WriteTimeout),
    "answer before the request's end": (
        _early_answer,
        HUGE,
        "",
        ok(b"no", LENGTH_2, status=413),
        ok(b"no", LENGTH_2, status=413),
    ),
    # httpx would see the answer only after the whole request.
    "answer, and the request not taken": (
        _early_answer_unread,
        HUGE,
        "write",
        ok(b"no", LENGTH_2, status=413),
        httpx.WriteTimeout,
    ),
    # httpx does not tell it from a request that was sent whole.
    "reset in a request": (_reset_in_a_request, HUGE, "", httpx.WriteError, httpx.ReadError),
}


@pytest.mark.parametrize("name", FAILURES)
def test_failures_are_those_of_httpx(name: str, run: Run) -> None:
    script, body, short, own, other = FAILURES[name]
    limits = {short: 0.2} if short else {}

    async def scenario() -> None:
        async with raw_server(script) as server:
            for transport, expected in ((ours(), own), (httpx_own(), other)):
                url = f"http://127.0.0.1:{server.port}/"
                assert await outcome(transport, url, body=body, **limits) == expected
                await transport.aclose()

    run(scenario())


@pytest.mark.parametrize("status", [b"408 Request Timeout", b"421 Misdirected Request"])
def test_a_connection_that_a_server_does_not_want_is_not_kept(status: bytes, run: Run) -> None:
    async def scenario() -> None:
        transport = ours()
        script = answers(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n", keep=True)
        async with raw_server(script) as server:
            url = f"http://127.0.0.1:{server.port}/"
            for _ in range(2):
                await exchange(transport, url)
            assert server.connections == 2
            await transport.aclose()

    run(scenario())


def test_octets_after_an_answer_are_not_the_next_answers(run: Run) -> None:
    evil = OK + b"Content-Length: 4\r\n\r\nevil"

    async def scenario(surplus: bytes, pause: float) -> None:
        transport = ours()

        async def script(peer: Peer) -> None:
            await peer.request()
            await peer.send(KEPT + (b"" if pause else surplus))
            if pause:
                await asyncio.sleep(pause)
                await peer.send(surplus)
            await peer.request()
            await peer.send(KEPT)

        async with raw_server(script) as server:
            url = f"http://127.0.0.1:{server.port}/"
            for _ in range(2):
                assert (await exchange(transport, url)).body == b"ok"
                await asyncio.sleep(2 * pause)
            assert server.connections == 2
            await transport.aclose()

    for surplus in (evil, b"H", b"\x00garbage"):
        run(scenario(surplus, 0.0))
        run(scenario(surplus, 0.05))


def test_a_connection_is_left_before_the_server_closes_it(run: Run) -> None:
    answer = OK + b"Keep-Alive: timeout=%d, max=100\r\nContent-Length: 2\r\n\r\nok"

    async def scenario(seconds: int, connections: int) -> None:
        transport = ours()
        async with raw_server(answers(answer % seconds, keep=True)) as server:
            url = f"http://127.0.0.1:{server.port}/"
            await exchange(transport, url)
            await asyncio.sleep(0.05)
            await exchange(transport, url)
            assert server.connections == connections
            await transport.aclose()

    run(scenario(1, 2))
    run(scenario(60, 1))


def test_a_large_body_that_came_whole_but_unread_does_not_stop_the_next_answer(run: Run) -> None:
    size = READ_AHEAD + 65536

    async def scenario() -> None:
        transport = ours()
        whole = OK + b"Content-Length: %d\r\n\r\n" % size + bytes(size)
        async with raw_server(answers(whole, keep=True)) as server:
            url = f"http://127.0.0.1:{server.port}/"
            response = await transport.handle_async_request(httpx.Request("GET", url))
            await asyncio.sleep(0.2)  # the rest comes, and reading pauses
            await response.aclose()
            async with asyncio.timeout(30):
                assert len((await exchange(transport, url)).body) == size
        await transport.aclose()

    run(scenario())


def test_an_endless_body_waits_for_its_reader(run: Run) -> None:
    async def scenario() -> None:
        transport = ours()
        sent = 0

        async def script(peer: Peer) -> None:
            nonlocal sent
            await peer.request()
            await peer.send(OK + b"Content-Length: %d\r\n\r\n" % len(HUGE))
            for at in range(0, len(HUGE), 65536):
                await peer.send(HUGE[at : at + 65536])
                sent += 65536

        async with raw_server(script) as server:
            request = httpx.Request("GET", f"http://127.0.0.1:{server.port}/")
            response = await transport.handle_async_request(request)
            await asyncio.sleep(0.2)
            assert sent < len(HUGE)
            assert len(await response.aread()) == len(HUGE)
        await transport.aclose()

    run(scenario())


def test_trailers_and_chunks_without_end_are_refused(run: Run) -> None:
    async def scenario(piece: bytes) -> None:
        transport = ours()

        async def script(peer: Peer) -> None:
            await peer.request()
            await peer.send(OK + b"Transfer-Encoding: chunked\r\n\r\n" + piece)
            while True:
                await peer.send(b"a" * 65536)

        async with raw_server(script) as server:
            assert await outcome(transport, f"http://127.0.0.1:{server.port}/") is PROTOCOL
        await transport.aclose()

    run(scenario(b"0\r\nX-A: "))
    run(scenario(b"2;"))


def test_head_has_no_body(run: Run) -> None:
    async def scenario() -> None:
        transport = ours()
        async with raw_server(answers(OK + b"Content-Length: 10\r\n\r\n", keep=True)) as server:
            url = f"http://127.0.0.1:{server.port}/"
            for _ in range(2):
                found = await exchange(transport, url, b"", method="HEAD")
                assert found == ok(b"", ("content-length", "10"))
        await transport.aclose()

    run(scenario())


@pytest.mark.parametrize("make", [ours, httpx_own])
@pytest.mark.parametrize("name", ["until close", "half a body", "nothing", "content-length"])
def test_connections_that_end_without_the_end_of_tls(
    make: Make, name: str, certificate: Certificate, run: Run
) -> None:
    octets, expected = ANSWERS[name]

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(octets)
        raw: socket.socket = peer.writer.get_extra_info("socket")
        os.dup2(os.open(os.devnull, os.O_RDONLY), raw.fileno())  # FIN, and no close_notify

    async def scenario() -> None:
        transport = make(trusting(certificate))
        async with raw_server(script, serving(certificate)) as server:
            assert await outcome(transport, f"https://127.0.0.1:{server.port}/") == expected
        await transport.aclose()

    run(scenario())


def _taken(server: socket.socket) -> int:
    """Reads what the client has given to the system; returns the number of octets."""
    octets, empty = 0, 0
    while empty < 5:
        try:
            piece = server.recv(1024 * 1024)
        except BlockingIOError:
            empty += 1
            time.sleep(0.01)  # the client does not run meanwhile
            continue
        if not piece:
            break
        octets, empty = octets + len(piece), 0
    return octets


async def _half_closed(body: bytes) -> tuple[Outcome, int, int]:
    """A request to a server that ends its own side in the middle of it, and then reads on: the
    outcome, and the octets of the request that the server got before the client ran again, and in
    all."""
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        transport = ours()
        sending = asyncio.create_task(outcome(transport, url, body=body))
        server, _ = await loop.sock_accept(listener)
        with server:
            server.setblocking(False)
            await asyncio.sleep(0.1)  # the client waits until it can send more
            server.shutdown(socket.SHUT_WR)
            before = _taken(server)
            result = await sending
            got = before + _taken(server)
        await transport.aclose()
    return result, before, got


def test_a_request_that_was_not_sent_is_not_sent_on(run: Run) -> None:
    async def scenario() -> None:
        result, before, _ = await _half_closed(HUGE)
        assert result is httpx.WriteError
        # Now the rest of the request has room in the system's buffers.
        result, before, got = await _half_closed(bytes(before + 500_000))
        assert before < got or result is httpx.WriteError
        if result is httpx.WriteError:
            assert got < before + 500_000 - 1000, "the server has the whole request"

    run(scenario())


async def _dripping(peer: Peer) -> None:
    await peer.request()
    await peer.send(OK + b"\r\n")
    while True:
        await peer.send(b".")
        await asyncio.sleep(0.02)


def test_an_exchange_ends_in_time_though_the_server_always_says_something(run: Run) -> None:
    async def scenario() -> None:
        async with raw_server(_dripping) as server:
            transport = Http11Transport(client_context(), connections=1, keep_for=60)
            origin = origin_of(httpx.URL(f"http://127.0.0.1:{server.port}"))
            limits = TimeLimits(read=30.0)
            with pytest.raises(httpx.ReadTimeout):
                await transport.exchange(origin, GET, limits, within=0.2, most=1000)
            await transport.aclose()

    run(scenario())
