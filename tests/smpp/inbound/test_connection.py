"""A connection on the wire: framing, unknown requests, its end, timers, back pressure."""

from __future__ import annotations

import asyncio
import socket
import struct

import pytest

from bridge.model.failure import Failure, Reason
from bridge.model.message import Accepted
from bridge.smpp.inbound.connection import OFFERED, TURN
from bridge.smpp.protocol.codec import encode
from bridge.smpp.protocol.command_status import CommandStatus
from bridge.smpp.protocol.layouts import BODIES, RESPONSES
from bridge.smpp.protocol.pdu import (
    Empty,
    MessageIdResp,
    Pdu,
    Tlv,
)
from tests.smpp.peer import FIRST_ID, a_submit, bridge


@pytest.mark.parametrize("command", ["deliver_sm", "alert_notification"])
async def test_what_only_a_message_centre_says_is_not_offered(command: str) -> None:
    assert command not in OFFERED
    async with bridge() as running:
        peer = await running.bound()
        resp = await peer.ask(command, BODIES[command](), number=9)
        assert (resp.command, resp.sequence_number) == (RESPONSES[command], 9)
        assert resp.command_status == CommandStatus.ESME_RINVCMDID
        assert (await peer.ask("submit_sm", a_submit())).command_status == CommandStatus.ESME_ROK


async def test_an_unknown_command_gets_a_nack_and_the_session_stays() -> None:
    async with bridge() as running:
        peer = await running.bound()
        peer.writer.write(struct.pack(">IIII", 20, 0x0BAD, 0, 9) + b"body")
        nack = await peer.read()
        assert (nack.command, nack.sequence_number) == ("generic_nack", 9)
        assert nack.command_status == CommandStatus.ESME_RINVCMDID
        assert (await peer.ask("submit_sm", a_submit())).command_status == CommandStatus.ESME_ROK


@pytest.mark.parametrize("length", [3, 15, 70_001, 0x47455420])
async def test_lost_framing_gets_a_nack_and_the_end(length: int) -> None:
    async with bridge() as running:
        peer = await running.bound()
        peer.writer.write(struct.pack(">IIII", length, 4, 0, 9))
        nack = await peer.read()
        assert (nack.command, nack.sequence_number) == ("generic_nack", 9)
        assert nack.command_status == CommandStatus.ESME_RINVCMDLEN
        assert await peer.ends()


async def test_a_malformed_submit_gets_its_own_response_and_the_session_stays() -> None:
    async with bridge() as running:
        peer = await running.bound()
        peer.writer.write(struct.pack(">IIII", 20, 4, 0, 9) + b"CMT\0")
        assert await peer.read() == Pdu(
            "submit_sm_resp", 9, command_status=CommandStatus.ESME_RINVCMDLEN
        )
        bad = Tlv(0x020E, b"\0\1")
        resp = await peer.ask("submit_sm", a_submit(), bad)
        assert resp.command_status == CommandStatus.ESME_RINVPARLEN
        assert (await peer.ask("submit_sm", a_submit())).command_status == CommandStatus.ESME_ROK


async def test_responses_and_nacks_are_not_answered() -> None:
    async with bridge() as running:
        peer = await running.bound()
        peer.write(
            Pdu("deliver_sm_resp", 1, MessageIdResp()),
            Pdu("generic_nack", 2, command_status=3),
            Pdu("enquire_link_resp", 3, Empty()),
            Pdu("unbind_resp", 4, Empty()),
        )
        peer.writer.write(struct.pack(">IIII", 16, 0x80000BAD, 0, 5))
        assert (await peer.ask("enquire_link", number=6)).sequence_number == 6


async def test_pdus_may_come_in_any_pieces() -> None:
    async with bridge() as running:
        peer = await running.connect()
        stream = (
            b"".join(
                [
                    struct.pack(">IIII", 36, 9, 0, 1) + b"crm\0secret\0\0\x34\0\0\0",
                    struct.pack(">IIII", 16, 0x15, 0, 2),
                ]
            )
        ).replace(struct.pack(">I", 36), struct.pack(">I", 16 + 16), 1)
        for index in range(len(stream)):
            peer.writer.write(stream[index : index + 1])
            await peer.writer.drain()
        assert (await peer.read()).command == "bind_transceiver_resp"
        assert (await peer.read()).command == "enquire_link_resp"


async def test_all_answers_to_one_chunk_are_written_at_once() -> None:
    async with bridge() as running:
        peer = await running.bound()
        peer.write(*(Pdu("submit_sm", number, a_submit()) for number in range(50)))
        await running.relay.until(50)
        size = 16 + len(str(FIRST_ID)) + 1
        assert len(await peer.reader.read(1_000_000)) == 50 * size


async def test_unbind_waits_for_what_is_in_flight() -> None:
    async with bridge() as running:
        running.relay.answer = lambda _: None
        peer = await running.bound()
        peer.write(Pdu("submit_sm", 1, a_submit()), Pdu("unbind", 2, Empty()))
        await running.relay.until(1)
        running.relay.futures[0].set_result(Accepted(1, 1))
        assert (await peer.read()).command == "submit_sm_resp"
        assert await peer.read() == Pdu("unbind_resp", 2, Empty())
        assert await peer.ends()


async def test_a_client_that_stops_sending_gets_its_last_answers() -> None:
    async with bridge() as running:
        running.relay.answer = lambda _: None
        peer = await running.bound()
        peer.write(Pdu("submit_sm", 1, a_submit()))
        peer.writer.write_eof()
        await running.relay.until(1)
        running.relay.futures[0].set_result(Accepted(1, 1))
        assert (await peer.read()).body == MessageIdResp(b"1")
        assert await peer.ends()


async def test_a_closed_session_frees_its_bind_before_its_answers() -> None:
    async with bridge(account={"max_binds": 1}) as running:
        running.relay.answer = lambda _: None
        peer = await running.bound()
        peer.write(Pdu("submit_sm", 1, a_submit()))
        peer.writer.write_eof()
        await running.relay.until(1)
        again = await running.connect()
        while (await again.bind()).command_status:  # until the end of the first is noticed
            again = await running.connect()
        assert not running.relay.futures[0].done()


async def test_drain_of_a_listener_without_sessions_is_immediate() -> None:
    async with bridge() as running:
        await asyncio.wait_for(running.listener.drain(60), 30)


async def test_closing_leaves_nothing_running() -> None:
    before = asyncio.all_tasks()
    async with bridge() as running:
        await running.bound()
        await running.connect()
    assert asyncio.all_tasks() == before


async def test_a_client_that_does_not_bind_is_disconnected() -> None:
    async with bridge({"bind_timeout": "50ms"}) as running:
        peer = await running.connect()
        assert await peer.ends()


async def test_silence_is_broken_by_enquire_link_and_ended_at_last() -> None:
    async with bridge({"enquire_link": "50ms", "inactivity": "300ms"}) as running:
        peer = await running.bound()
        first = await peer.read()
        assert first.command == "enquire_link"
        peer.write(Pdu("enquire_link_resp", first.sequence_number, Empty()))
        second = await peer.read()
        assert second.sequence_number > first.sequence_number
        while not await peer.ends():
            pass  # one more unanswered enquire_link


async def test_a_client_that_does_not_read_is_not_read_from() -> None:
    async with bridge(account={"failure_text": True}) as running:
        for server in running.listener._servers:  # accepted sockets inherit the small buffers
            for listening in server.sockets:
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        running.relay.answer = lambda _: Failure(Reason.TOO_FAST, "x" * 60)
        peer = await running.bound()
        other = await running.bound()
        peer.reader._transport.pause_reading()  # type: ignore[attr-defined]
        total = 20_000
        peer.write(*(Pdu("submit_sm", number, a_submit()) for number in range(total)))
        taken, still = -1, 0
        while still < 20:  # round trips without a further accepted submit
            await other.ask("enquire_link")
            still = still + 1 if taken == len(running.relay.submissions) else 0
            taken = len(running.relay.submissions)
        assert taken < total
        peer.reader._transport.resume_reading()  # type: ignore[attr-defined]
        for _ in range(total):
            await peer.read()
        assert len(running.relay.submissions) == total


async def test_a_busy_client_gives_way_to_others() -> None:
    async with bridge() as running:
        loud, quiet = await running.bound(), await running.bound()
        many = 5 * TURN
        loud.write(*(Pdu("submit_sm", number, a_submit(b"loud")) for number in range(many)))
        quiet.write(Pdu("submit_sm", 1, a_submit(b"quiet")))
        await running.relay.until(many + 1)
        texts = [submission.text for submission in running.relay.submissions]
        assert texts.index("quiet") <= 2 * TURN
        for _ in range(many):
            assert (await loud.read()).command_status == CommandStatus.ESME_ROK


async def test_storms_trickles_and_silence_delay_nobody_else() -> None:
    async with bridge(account={"max_binds": 100}) as running:
        for _ in range(40):
            await running.bound("bind_receiver")
        storm, trickle, other = [await running.bound() for _ in range(3)]

        async def alone() -> float:
            began = asyncio.get_running_loop().time()
            for _ in range(20):
                await other.ask("submit_sm", a_submit())
            return asyncio.get_running_loop().time() - began

        quiet = min([await alone() for _ in range(3)])
        storm.reader._transport.pause_reading()  # type: ignore[attr-defined]
        octets = encode(Pdu("submit_sm", 1, a_submit()))
        storm.writer.write(octets * 20_000)
        taken = len(running.relay.submissions)
        for octet in octets[:10]:
            trickle.writer.write(bytes((octet,)))
            await alone()
        assert min([await alone() for _ in range(3)]) < 20 * quiet + 0.5
        assert len(running.relay.submissions) > taken + 100
