"""Starting, draining and closing."""

from __future__ import annotations

import asyncio

import pytest

from bridge.message import Accepted
from tests.smtp.client import ENVELOPE, MAIL, connected
from tests.smtp.conftest import Certificate
from tests.smtp.standins import ID, running
from tests.smtp.test_connection import SlowRelay


async def test_the_bound_addresses_are_told(certificate: Certificate) -> None:
    settings = certificate.settings(listen=["127.0.0.1:0"] * 2, tls_listen=["127.0.0.1:0"])
    async with running(**settings) as part:
        assert [endpoint.host for endpoint in part.endpoints] == ["127.0.0.1"] * 3
        assert len({endpoint.port for endpoint in part.endpoints} - {0}) == 3


async def test_all_addresses_or_none() -> None:
    async with running() as first:
        with pytest.raises(OSError, match="address"):
            async with running(listen=["127.0.0.1:0", f"127.0.0.1:{first.port}"]):
                pass


async def test_drain_ends_idle_sessions_and_answers_mails_in_flight() -> None:
    relay = SlowRelay()
    async with (
        running(relay=relay) as part,
        connected(part.port) as idle,
        connected(part.port) as between,
        connected(part.port) as receiving,
        connected(part.port) as waiting,
    ):
        await between.ask("MAIL FROM:<a@b>")
        waiting.send(ENVELOPE + MAIL)
        await waiting.replies(3)
        first = await relay.taken()
        receiving.send(ENVELOPE + b"half ")
        await receiving.replies(3)
        drained = asyncio.create_task(part.listener.drain(5))
        for client in (idle, between):
            assert await client.reply() == "421 4.3.2 Service shutting down"
            assert await client.reply() == ""
        with pytest.raises(OSError):
            async with connected(part.port):
                pass
        assert not drained.done()
        first.set_result(Accepted(ID, 1))
        assert (await waiting.reply()).startswith("250 2.0.0")
        assert (await waiting.reply()).startswith("421 4.3.2")
        receiving.send(b"mail\r\n.\r\n")
        (await relay.taken()).set_result(Accepted(ID, 1))
        assert (await receiving.reply()).startswith("250 2.0.0")
        await drained


async def test_drain_does_not_wait_for_ever() -> None:
    relay = SlowRelay()
    async with running(relay=relay) as part, connected(part.port) as client:
        client.send(ENVELOPE + MAIL)
        await client.replies(3)
        answer = await relay.taken()
        await part.listener.drain(0.05)
        assert (await client.reply()).startswith("421 4.3.2")
        assert not answer.cancelled()


async def test_nothing_is_left_running() -> None:
    before = asyncio.all_tasks()
    async with running() as part, connected(part.port) as client:
        client.send(ENVELOPE + MAIL)
        await client.replies(4)
    assert asyncio.all_tasks() == before
