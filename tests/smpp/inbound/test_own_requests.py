"""The bridge's requests to a bound client: notices, and the unbind when the bridge stops."""

from __future__ import annotations

import asyncio

import pytest

from bridge.model.message import Accepted
from bridge.model.notice import receivers_of
from bridge.notices.subscribers import Taker
from bridge.smpp.inbound import own_requests
from bridge.smpp.protocol.command_status import CommandStatus
from bridge.smpp.protocol.pdu import Empty, MessageIdResp, Pdu
from tests.smpp.owed import owed
from tests.smpp.peer import Bridge, Peer, a_submit, bridge


def taker(running: Bridge) -> Taker:
    """The only session that takes notices."""
    [taker] = running.outbox.takers[receivers_of("crm")]
    return taker


@pytest.mark.parametrize(
    ("command", "takes"),
    [("bind_transmitter", False), ("bind_receiver", True), ("bind_transceiver", True)],
)
async def test_only_sessions_that_receive_take_notices(command: str, takes: bool) -> None:
    async with bridge() as running:
        await running.bound(command)
        assert bool(running.outbox.takers) is takes


async def test_a_notice_is_a_deliver_sm_and_its_response_is_the_answer() -> None:
    async with bridge() as running:
        peer = await running.bound()
        answer = taker(running).tell(owed())
        request = await peer.read()
        assert request.command == "deliver_sm"
        [info] = running.listener.sessions()
        assert (info.told, info.telling) == (0, 1)
        peer.write(Pdu("deliver_sm_resp", request.sequence_number, MessageIdResp()))
        assert (await asyncio.wait_for(answer, 30)).ended
        [info] = running.listener.sessions()
        assert (info.told, info.telling) == (1, 0)


async def test_a_session_has_the_window_of_its_account() -> None:
    async with bridge(account={"receive_window": 3}) as running:
        await running.bound()
        assert taker(running).room() == 3


async def test_a_session_that_ends_takes_nothing_more_and_loses_what_is_unanswered() -> None:
    async with bridge() as running:
        peer = await running.bound()
        receiver = taker(running)
        answer = receiver.tell(owed())
        await peer.read()
        await peer.close()
        assert (await asyncio.wait_for(answer, 30)).lost
        assert running.outbox.takers == {receivers_of("crm"): []}
        assert receiver.room() == 0


async def test_no_notice_goes_to_a_client_that_does_not_read() -> None:
    async with bridge() as running:
        await running.bound()
        [connection] = running.listener._connections
        connection.pause_writing()
        assert taker(running).room() == 0
        woken = running.outbox.woken
        connection.resume_writing()
        assert taker(running).room() > 0
        assert running.outbox.woken == woken + 1


async def test_a_notice_without_an_answer_is_given_up() -> None:
    async with bridge({"response_timeout": "100ms", "enquire_link": "400ms"}) as running:
        peer = await running.bound()
        answer = taker(running).tell(owed())
        await peer.read()
        assert (await asyncio.wait_for(answer, 30)).outcome.startswith("no answer from 127.0.0.1")


async def test_the_unbind_follows_the_answers_to_notices() -> None:
    async with bridge() as running:
        peer = await running.bound()
        answer = taker(running).tell(owed())
        request = await peer.read()
        drained = asyncio.create_task(running.listener.drain(60))
        await asyncio.sleep(0)  # it has begun
        assert taker(running).room() == 0
        peer.write(Pdu("deliver_sm_resp", request.sequence_number, MessageIdResp()))
        unbind = await peer.read()
        assert unbind.command == "unbind"
        assert answer.result().ended
        peer.write(Pdu("unbind_resp", unbind.sequence_number, Empty()))
        assert await peer.ends()
        await asyncio.wait_for(drained, 30)


async def test_the_unbind_waits_little_for_answers_to_notices(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(own_requests, "ANSWERS_ON_STOP", 0.05)
    async with bridge() as running:
        peer = await running.bound()
        answer = taker(running).tell(owed())
        await peer.read()
        drained = asyncio.create_task(running.listener.drain(60))
        assert (await peer.read()).command == "unbind"
        assert await peer.ends()
        await asyncio.wait_for(drained, 30)
        assert answer.result().lost


async def test_drain_unbinds_answers_and_closes() -> None:
    async with bridge() as running:
        running.relay.answer = lambda _: None
        peer = await running.bound()
        idle = await running.connect()
        peer.write(Pdu("submit_sm", 1, a_submit()))
        await running.relay.until(1)
        drained = asyncio.create_task(running.listener.drain(5))
        assert await idle.ends()
        unbind = await peer.read()
        assert unbind.command == "unbind"
        late = await peer.ask("submit_sm", a_submit(), number=2)
        assert late.command_status == CommandStatus.ESME_RSYSERR
        with pytest.raises(OSError):
            await running.connect()
        peer.write(Pdu("unbind_resp", unbind.sequence_number, Empty()))
        await answered_before_the_end(running, peer, drained)


async def test_drain_gives_up_on_a_silent_client() -> None:
    async with bridge() as running:
        peer = await running.bound()
        await asyncio.wait_for(running.listener.drain(0.05), 30)
        assert (await peer.read()).command == "unbind"
        await running.listener.close()
        assert await peer.ends()


async def test_drain_waits_little_for_an_unbind_resp_and_still_for_what_is_in_flight(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(own_requests, "ANSWERS_ON_STOP", 0.05)
    async with bridge() as running:
        running.relay.answer = lambda _: None
        idle = await running.bound()
        peer = await running.bound()
        peer.write(Pdu("submit_sm", 1, a_submit()))
        await running.relay.until(1)
        drained = asyncio.create_task(running.listener.drain(60))
        for client in (idle, peer):
            assert (await client.read()).command == "unbind"
        assert await idle.ends()
        await answered_before_the_end(running, peer, drained)


async def answered_before_the_end(running: Bridge, peer: Peer, drained: asyncio.Task[None]) -> None:
    """The draining waits for the answer to the submit in flight."""
    assert not drained.done()
    running.relay.futures[0].set_result(Accepted(1, 1))
    assert (await peer.read()).body == MessageIdResp(b"1")
    assert await peer.ends()
    await asyncio.wait_for(drained, 30)
