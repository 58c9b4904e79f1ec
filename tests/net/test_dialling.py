"""How a host with several addresses is reached."""

from __future__ import annotations

import asyncio
import os
import socket

import pytest

from bridge.net.dialling import HEAD_START, AddressInfo, alternated, dial, dial_first
from tests.net.raw_http import full_backlog
from tests.support import free_port


def at(port: int, host: str = "127.0.0.1") -> AddressInfo:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return (family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port))


def test_families_take_turns() -> None:
    one, two, three = (at(1, f"::{n}") for n in (1, 2, 3))
    old = at(1)
    assert alternated([one, two, three, old]) == [one, old, two, three]
    assert alternated([]) == []


async def test_an_address_that_leads_nowhere_does_not_keep_from_the_next() -> None:
    with full_backlog() as nowhere, socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        async with asyncio.timeout(30):
            for addresses in ([at(nowhere), at(port)], [at(free_port()), at(nowhere), at(port)]):
                with await dial_first(addresses) as won:
                    assert won.getpeername()[1] == port
                    assert not won.getblocking()


async def test_the_error_names_every_address() -> None:
    first, second = free_port(), free_port()
    with pytest.raises(OSError, match=f"{first}.*; .*{second}"):
        await dial_first([at(first), at(second)])
    with pytest.raises(OSError, match="no address"):
        await dial_first([])


async def test_a_cancelled_dial_leaves_no_socket() -> None:
    with full_backlog() as nowhere:
        before = sorted(os.listdir("/proc/self/fd"))
        task = asyncio.create_task(dial_first([at(nowhere), at(nowhere)]))
        await asyncio.sleep(1.5 * HEAD_START)  # both are tried now
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert sorted(os.listdir("/proc/self/fd")) == before


async def test_a_name_is_resolved() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        await dial("localhost", listening.getsockname()[1]) as won,
    ):
        assert won.getpeername() == listening.getsockname()
