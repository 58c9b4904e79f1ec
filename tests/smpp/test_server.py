"""The listener on the wire: raw sockets, PDU by PDU."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from bridge.config.settings import Endpoint, Smpp, settings_from
from bridge.model.failure import Failure, Reason
from bridge.model.message import Accepted, Outcome, Submission
from bridge.smpp.inbound.connection import OFFERED, TURN
from bridge.smpp.inbound.listener import SmppListener
from bridge.smpp.protocol.codec import encode
from bridge.smpp.protocol.command_status import CommandStatus
from bridge.smpp.protocol.layouts import BODIES, RESPONSES
from bridge.smpp.protocol.pdu import (
    Bind,
    BindResp,
    Empty,
    MessageIdResp,
    Pdu,
    Tlv,
)
from bridge.smpp.protocol.tlvs import ADDITIONAL_STATUS_INFO_TEXT, SC_INTERFACE_VERSION
from tests.smpp.peer import FIRST_ID, Bridge, Peer, a_submit, bridge
from tests.support import program


def text_of(pdu: Pdu) -> str:
    value = pdu.tlv(ADDITIONAL_STATUS_INFO_TEXT)
    assert value is not None
    assert value.endswith(b"\0")
    return value[:-1].decode()


# --- bind ------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["bind_transmitter", "bind_receiver", "bind_transceiver"])
async def test_a_bind_is_answered_by_its_own_response(command: str) -> None:
    async with bridge({"system_id": "smsc"}) as running:
        peer = await running.connect()
        resp = await peer.bind(command)
        assert resp.command == RESPONSES[command]
        assert resp.command_status == CommandStatus.ESME_ROK
        assert resp.body == BindResp(b"smsc")


@pytest.mark.parametrize(
    ("interface_version", "told"), [(0x33, None), (0x34, b"\x34"), (0x50, b"\x50")]
)
async def test_the_version_is_told_to_who_knows_of_it(
    interface_version: int, told: bytes | None
) -> None:
    async with bridge() as running:
        peer = await running.connect()
        resp = await peer.bind("bind_transmitter", interface_version=interface_version)
        assert resp.command_status == CommandStatus.ESME_ROK
        assert resp.tlv(SC_INTERFACE_VERSION) == told


@pytest.mark.parametrize(("name", "password"), [(b"crm", b"wrong"), (b"nobody", b"secret")])
async def test_a_wrong_login_is_refused_and_may_be_tried_again(
    name: bytes, password: bytes
) -> None:
    async with bridge() as running:
        peer = await running.connect()
        resp = await peer.bind(name=name, password=password)
        assert resp.command_status == CommandStatus.ESME_RINVPASWD
        assert resp.body == BindResp()
        assert (
            await peer.ask("submit_sm", a_submit())
        ).command_status == CommandStatus.ESME_RINVBNDSTS
        assert (await peer.bind()).command_status == CommandStatus.ESME_ROK


async def test_a_5_0_bind_is_told_why() -> None:
    async with bridge() as running:
        peer = await running.connect()
        resp = await peer.bind(password=b"wrong", interface_version=0x50)
        assert resp.command_status == CommandStatus.ESME_RINVPASWD
        assert text_of(resp) == "ERROR = 2 (wrong login or password)"


async def test_an_account_that_may_not_use_smpp_is_refused() -> None:
    async with bridge(account={"protocols": ["smtp"]}) as running:
        peer = await running.connect()
        assert (await peer.bind()).command_status == CommandStatus.ESME_RBINDFAIL


async def test_a_second_bind_is_refused_and_the_session_stays() -> None:
    async with bridge() as running:
        peer = await running.bound()
        assert (await peer.bind()).command_status == CommandStatus.ESME_RALYBND
        assert (await peer.ask("submit_sm", a_submit())).command_status == CommandStatus.ESME_ROK


async def test_max_binds_counts_binds_of_the_account_that_are_open() -> None:
    async with bridge(account={"max_binds": 2}) as running:
        first = await running.bound()
        await running.bound("bind_receiver")
        third = await running.connect()
        assert (await third.bind()).command_status == CommandStatus.ESME_RBINDFAIL
        other = await running.connect()
        assert (await other.bind(name=b"other")).command_status == CommandStatus.ESME_ROK
        assert (await first.ask("unbind")).command == "unbind_resp"
        assert await first.ends()
        assert (await third.bind()).command_status == CommandStatus.ESME_ROK


@pytest.mark.parametrize("limit", ["max_connections", "max_connections_per_address"])
async def test_connections_over_the_limit_hear_so_at_their_bind(limit: str) -> None:
    async with bridge({limit: 1}) as running:
        first = await running.bound()
        second = await running.connect()
        resp = await second.bind(interface_version=0x50)
        assert resp.command_status == CommandStatus.ESME_RBINDFAIL
        assert "too many connections" in text_of(resp)
        assert await second.ends()
        assert (await first.ask("enquire_link")).command == "enquire_link_resp"
        await first.close()
        third = await running.connect()
        while (await third.bind()).command_status:  # until the first one is noticed to be gone
            third = await running.connect()


async def test_an_account_may_be_kept_to_some_kinds_of_binds() -> None:
    async with bridge(account={"binds": ["receiver"]}) as running:
        peer = await running.connect()
        with capture_logs() as logs:
            assert (
                await peer.bind("bind_transmitter")
            ).command_status == CommandStatus.ESME_RBINDFAIL
        assert "accounts.crm.binds does not name transmitter" in logs[-1]["reason"]
        assert (await peer.bind("bind_receiver")).command_status == CommandStatus.ESME_ROK


async def test_a_password_may_be_longer_than_the_specification_has_room_for() -> None:
    async with bridge(account={"password": "p" * 64}) as running:
        peer = await running.connect()
        resp = await peer.bind(password=b"p" * 8)
        assert resp.command_status == CommandStatus.ESME_RINVPASWD
        assert (await peer.bind(password=b"p" * 64)).command_status == CommandStatus.ESME_ROK


async def test_pdus_after_a_bind_wait_for_its_answer() -> None:
    async with bridge() as running:
        peer = await running.connect()
        peer.write(
            Pdu("bind_transceiver", 1, Bind(b"crm", b"secret")),
            Pdu("submit_sm", 2, a_submit(b"one")),
            Pdu("submit_sm", 3, a_submit(b"two")),
        )
        answers = [await peer.read() for _ in range(3)]
        assert [a.command for a in answers] == ["bind_transceiver_resp"] + ["submit_sm_resp"] * 2
        assert [a.sequence_number for a in answers] == [1, 2, 3]
        assert [s.text for s in running.relay.submissions] == ["one", "two"]


async def test_who_leaves_during_the_password_check_is_forgotten() -> None:
    async with bridge(account={"max_binds": 1}) as running:
        for _ in range(3):
            peer = await running.connect()
            peer.write(Pdu("bind_transceiver", 1, Bind(b"crm", b"secret")))
            peer.writer.transport.abort()
        peer = await running.connect()
        while (await peer.bind()).command_status:
            peer = await running.connect()


async def test_who_keeps_guessing_is_disconnected() -> None:
    async with bridge() as running:
        peer = await running.connect()
        for _ in range(5):
            assert (await peer.bind(password=b"wrong")).command_status
        assert await peer.ends()


# --- submit_sm -------------------------------------------------------------------------------


async def test_a_submit_is_answered_with_the_id_in_decimal() -> None:
    async with bridge() as running:
        peer = await running.bound("bind_transmitter")
        resp = await peer.ask("submit_sm", a_submit(source_addr=b"Shop"), number=77)
        assert resp == Pdu("submit_sm_resp", 77, MessageIdResp(b"%d" % FIRST_ID))
        (submission,) = running.relay.submissions
        assert submission.text == "hi"
        assert submission.sender == "Shop"
        assert submission.recipients[0].address == "+380501234567"
        assert submission.peer == "{}:{}".format(*peer.writer.get_extra_info("sockname"))


async def test_answers_go_out_in_the_order_in_which_outcomes_come() -> None:
    async with bridge() as running:
        running.relay.answer = lambda _: None
        peer = await running.bound()
        for number in (1, 2, 3):
            peer.write(Pdu("submit_sm", number, a_submit()))
        await running.relay.until(3)
        for index, id in ((2, 30), (0, 10), (1, 20)):
            running.relay.futures[index].set_result(Accepted(id, 1))
        answers = [await peer.read() for _ in range(3)]
        assert [(a.sequence_number, a.body) for a in answers] == [
            (3, MessageIdResp(b"30")),
            (1, MessageIdResp(b"10")),
            (2, MessageIdResp(b"20")),
        ]


@pytest.mark.parametrize(
    ("reason", "status", "v5"),
    [
        (Reason.WRONG_PHONE, CommandStatus.ESME_RINVDSTADR, CommandStatus.ESME_RINVDSTADR),
        (Reason.SENDER_NOT_ALLOWED, CommandStatus.ESME_RINVSRCADR, CommandStatus.ESME_RINVSRCADR),
        (Reason.PROHIBITED, CommandStatus.ESME_RSUBMITFAIL, CommandStatus.ESME_RPROHIBITED),
        (Reason.TOO_FAST, CommandStatus.ESME_RTHROTTLED, CommandStatus.ESME_RTHROTTLED),
        (Reason.BRIDGE_FULL, CommandStatus.ESME_RMSGQFUL, CommandStatus.ESME_RMSGQFUL),
        (Reason.OPERATION_FAILED, CommandStatus.ESME_RSYSERR, CommandStatus.ESME_RSYSERR),
        (Reason.NOT_FOUND, CommandStatus.ESME_RINVDSTADR, CommandStatus.ESME_RINVDSTADR),
    ],
)
async def test_a_failure_is_a_status(
    reason: Reason, status: CommandStatus, v5: CommandStatus
) -> None:
    async with bridge() as running:
        running.relay.answer = lambda _: Failure(reason)
        peer = await running.bound()
        resp = await peer.ask("submit_sm", a_submit())
        assert resp == Pdu("submit_sm_resp", 1, None, (), status)
        newer = await running.bound(interface_version=0x50)
        resp = await newer.ask("submit_sm", a_submit())
        assert resp.command_status == v5
        assert resp.body == MessageIdResp(b"")
        assert text_of(resp).startswith(f"ERROR = {reason.codes.fmt} (")


async def test_an_account_may_ask_for_the_text_in_its_own_form() -> None:
    async with bridge(account={"failure_text": True, "reply_fmt": 3}) as running:
        running.relay.answer = lambda _: Failure(Reason.WRONG_PHONE)
        peer = await running.bound()
        resp = await peer.ask("submit_sm", a_submit())
        assert text_of(resp) == '{"error": "wrong phone number", "error_code": 7}'


async def test_what_only_the_listener_knows_is_refused_without_the_relay() -> None:
    async with bridge() as running:
        peer = await running.bound()
        for fields, status in (
            ({"data_coding": 2}, CommandStatus.ESME_RSUBMITFAIL),
            ({"validity_period": b"soon"}, CommandStatus.ESME_RINVEXPIRY),
            ({"schedule_delivery_time": b"soon"}, CommandStatus.ESME_RINVSCHED),
            ({"esm_class": 4}, CommandStatus.ESME_RINVESMCLASS),
            ({"esm_class": 0x40, "text": b"\5hi"}, CommandStatus.ESME_RSUBMITFAIL),
        ):
            resp = await peer.ask("submit_sm", a_submit(**fields))
            assert resp.command_status == status
        newer = await running.bound(interface_version=0x50)
        resp = await newer.ask("submit_sm", a_submit(data_coding=2))
        assert resp.command_status == CommandStatus.ESME_RINVDCS
        assert running.relay.submissions == []


async def test_system_type_iso_and_the_account_choose_the_default_alphabet() -> None:
    async with bridge(account={"default_alphabet": "utf8"}) as running:
        peer = await running.bound()
        await peer.ask("submit_sm", a_submit("é".encode()))
        iso = await running.bound(system_type=b"ISO")
        await iso.ask("submit_sm", a_submit(b"\xe9"))
        assert [s.text for s in running.relay.submissions] == ["é", "é"]


async def test_over_the_window_submits_are_throttled_while_reading_goes_on() -> None:
    async with bridge(account={"window": 2}) as running:
        running.relay.answer = lambda _: None
        peer = await running.bound()
        peer.write(*(Pdu("submit_sm", number, a_submit()) for number in (1, 2, 3)))
        assert await peer.read() == Pdu(
            "submit_sm_resp", 3, command_status=CommandStatus.ESME_RTHROTTLED
        )
        assert (await peer.ask("enquire_link", number=4)).command == "enquire_link_resp"
        running.relay.futures[0].set_result(Accepted(1, 1))
        assert (await peer.read()).sequence_number == 1
        running.relay.answer = running.relay.accept
        assert (await peer.ask("submit_sm", a_submit(), number=5)).command_status == 0


@pytest.mark.parametrize("how", ["raise", "exception", "cancel"])
async def test_a_relay_out_of_order_is_a_system_error(how: str) -> None:
    async with bridge() as running:
        peer = await running.bound()

        def answer(_: Submission) -> Outcome | None:
            if how == "raise":
                raise RuntimeError("secret path")
            future = running.relay.futures[-1]
            if how == "cancel":
                future.cancel()
            else:
                future.set_exception(RuntimeError("secret path"))
            return None

        running.relay.answer = answer
        with capture_logs() as logs:
            resp = await peer.ask("submit_sm", a_submit())
        assert resp == Pdu("submit_sm_resp", 1, command_status=CommandStatus.ESME_RSYSERR)
        assert any(line["log_level"] == "error" for line in logs) is (how != "cancel")
        assert (await peer.ask("enquire_link")).command == "enquire_link_resp"


async def test_who_left_before_the_outcome_is_not_missed() -> None:
    async with bridge() as running:
        running.relay.answer = lambda _: None
        peer = await running.bound()
        peer.write(Pdu("submit_sm", 1, a_submit()))
        await running.relay.until(1)
        peer.writer.transport.abort()
        still = await running.bound()
        await still.ask("enquire_link")
        (future,) = running.relay.futures
        assert not future.cancelled()
        future.set_result(Accepted(1, 1))
        assert (await still.ask("enquire_link")).command == "enquire_link_resp"


# --- everything else -------------------------------------------------------------------------


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


# --- the end ---------------------------------------------------------------------------------


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


async def test_who_hung_up_leaves_room_for_the_next_bind_though_answers_are_due() -> None:
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
        assert not drained.done()
        running.relay.futures[0].set_result(Accepted(1, 1))
        assert (await peer.read()).body == MessageIdResp(b"1")
        assert await peer.ends()
        await asyncio.wait_for(drained, 5)


async def test_drain_gives_up_on_who_does_not_answer() -> None:
    async with bridge() as running:
        peer = await running.bound()
        await asyncio.wait_for(running.listener.drain(0.05), 5)
        assert (await peer.read()).command == "unbind"
        await running.listener.close()
        assert await peer.ends()


async def test_drain_waits_little_for_an_unbind_resp_and_still_for_what_is_in_flight(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bridge.smpp.inbound.connection.ANSWERS_ON_STOP", 0.05)
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
        assert not drained.done()
        running.relay.futures[0].set_result(Accepted(1, 1))
        assert (await peer.read()).body == MessageIdResp(b"1")
        assert await peer.ends()
        await asyncio.wait_for(drained, 5)


async def test_drain_of_a_listener_without_sessions_is_immediate() -> None:
    async with bridge() as running:
        await asyncio.wait_for(running.listener.drain(60), 1)


async def test_closing_leaves_nothing_running() -> None:
    before = asyncio.all_tasks()
    async with bridge() as running:
        await running.bound()
        await running.connect()
    assert asyncio.all_tasks() == before


# --- time ------------------------------------------------------------------------------------


async def test_who_does_not_bind_is_disconnected() -> None:
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
            pass  # one more enquire_link that nobody answers


async def test_who_does_not_read_is_not_read_from() -> None:
    async with bridge(account={"failure_text": True}) as running:
        for server in running.listener._servers:  # what is accepted inherits the small buffers
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
        while still < 20:  # round trips without another submit taken
            await other.ask("enquire_link")
            still = still + 1 if taken == len(running.relay.submissions) else 0
            taken = len(running.relay.submissions)
        assert taken < total
        peer.reader._transport.resume_reading()  # type: ignore[attr-defined]
        for _ in range(total):
            await peer.read()
        assert len(running.relay.submissions) == total


async def test_who_says_much_at_once_gives_way_to_others() -> None:
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


# --- sockets ---------------------------------------------------------------------------------


Pair = tuple[Path, Path]


def make_certificate(folder: Path, name: str) -> Pair:
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(
        [
            *(program("openssl"), "req", "-x509", "-newkey", "ec"),
            *("-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"),
            *("-subj", "/CN=localhost", "-keyout", key, "-out", certificate),
        ],
        check=True,
        capture_output=True,
    )
    return certificate, key


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return make_certificate(tmp_path_factory.mktemp("tls"), "first")


def tls_settings(pair: Pair, **more: Any) -> dict[str, Any]:
    certificate, key = map(str, pair)
    listen = {"listen": [], "tls_listen": ["127.0.0.1:0"]}
    return {**listen, "certificate": certificate, "private_key": key, **more}


def trusting(pair: Pair) -> dict[str, Any]:
    context = ssl.create_default_context(cafile=pair[0])
    return {"ssl": context, "server_hostname": "localhost"}


async def test_certificates_are_taken_anew_while_sessions_go_on(
    certificate: Pair, tmp_path: Path
) -> None:
    second = make_certificate(tmp_path, "second")
    async with bridge(tls_settings(certificate)) as running:
        old = await running.connect(**trusting(certificate))
        assert (await old.bind()).command_status == CommandStatus.ESME_ROK
        for pair, works in (((second[0], certificate[1]), False), (second, True)):
            settings = settings_from({"smpp": tls_settings(pair)}).smpp
            if works:
                running.listener.reload(settings)
            else:  # a key that belongs to another certificate
                with pytest.raises(ssl.SSLError):
                    running.listener.reload(settings)
        with pytest.raises(ssl.SSLError):
            await running.connect(**trusting(certificate))
        new = await running.connect(**trusting(second))
        assert (await new.bind()).command_status == CommandStatus.ESME_ROK
        assert (await old.ask("submit_sm", a_submit())).command_status == CommandStatus.ESME_ROK


async def test_limits_and_timers_are_taken_anew_for_connections_to_come() -> None:
    async with bridge() as running:
        first = await running.bound()
        limits = {"max_connections_per_address": 1, "system_id": "newer", "bind_timeout": "50ms"}
        running.listener.reload(settings_from({"smpp": limits}).smpp)
        second = await running.connect()
        assert (await second.bind()).command_status == CommandStatus.ESME_RBINDFAIL
        assert (await first.ask("enquire_link")).command == "enquire_link_resp"
        third = await running.connect()
        assert await third.ends()


# --- behind a proxy --------------------------------------------------------------------------

V2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes((192, 0, 2, 7, 127, 0, 0, 1, 4, 0, 10, 215))


@pytest.mark.parametrize("header", [b"PROXY TCP4 192.0.2.7 127.0.0.1 1024 2775\r\n", V2])
async def test_networks_see_the_client_behind_a_proxy(header: bytes) -> None:
    proxies = {"proxies": ["127.0.0.1"]}
    async with bridge(proxies, {"networks": ["192.0.2.0/24"]}) as running:
        peer = await running.connect()
        peer.writer.write(header)
        with capture_logs() as logs:
            assert (await peer.bind()).command_status == CommandStatus.ESME_ROK
            await peer.ask("submit_sm", a_submit())
        assert logs[0]["peer"] == "192.0.2.7"
        assert running.relay.submissions[0].peer == "192.0.2.7"


async def test_only_proxies_say_who_somebody_is() -> None:
    header = b"PROXY TCP4 192.0.2.7 127.0.0.1 1024 2775\r\n"
    async with bridge({"proxies": ["192.0.2.1"]}, {"networks": ["127.0.0.1"]}) as running:
        liar = await running.connect()
        liar.writer.write(header)
        assert (await liar.read()).command == "generic_nack"
        honest = await running.connect()
        assert (await honest.bind()).command_status == CommandStatus.ESME_ROK
    async with bridge({"proxies": ["127.0.0.1"]}) as running:
        silent = await running.connect()
        silent.write(Pdu("bind_transmitter", 1, Bind(b"crm", b"secret")))
        assert await silent.ends()


async def test_the_proxy_header_comes_before_tls(certificate: Pair) -> None:
    smpp = tls_settings(certificate, proxies=["127.0.0.1"])
    async with bridge(smpp, {"networks": ["192.0.2.0/24"]}) as running:
        raw = socket.create_connection(("127.0.0.1", running.port))
        raw.sendall(V2)
        raw.setblocking(False)
        peer = Peer(*await asyncio.open_connection(sock=raw, **trusting(certificate)))
        running.peers.append(peer)
        assert (await peer.bind()).command_status == CommandStatus.ESME_ROK


async def test_answers_are_not_held_back_to_be_sent_with_others() -> None:
    async with bridge() as running:
        await running.bound()
        [connection] = running.listener._connections
        raw = connection._transport.get_extra_info("socket")
        assert raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_tls_has_its_own_listener(certificate: Pair) -> None:
    smpp = {
        "tls_listen": ["127.0.0.1:0"],
        "certificate": str(certificate[0]),
        "private_key": str(certificate[1]),
    }
    running = Bridge(smpp, {})
    plain, secure = await running.listener.start()
    try:
        context = ssl.create_default_context(cafile=certificate[0])
        peer = Peer(
            *await asyncio.open_connection(
                "127.0.0.1", secure.port, ssl=context, server_hostname="localhost"
            )
        )
        assert (await peer.bind()).command_status == CommandStatus.ESME_ROK
        assert (await peer.ask("submit_sm", a_submit())).command_status == CommandStatus.ESME_ROK
        assert (await peer.ask("unbind")).command == "unbind_resp"
        assert await peer.ends()
        await peer.close()
        assert plain.port != secure.port
        lost = Peer(*await asyncio.open_connection("127.0.0.1", plain.port))
        lost.writer.write(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")  # TLS to the plain port
        assert (await lost.read()).command == "generic_nack"
        await lost.close()
    finally:
        await running.listener.close()
        running.accounts.close()


async def test_an_address_in_use_is_an_error_and_leaves_nothing_open() -> None:
    async with bridge() as running:
        settings = settings_from({"accounts": {}}).smpp.model_copy(
            update={"listen": [Endpoint("127.0.0.1", 0), Endpoint("127.0.0.1", running.port)]}
        )
        assert isinstance(settings, Smpp)
        before = asyncio.all_tasks()
        second = SmppListener(
            settings, running.accounts, running.relay, running.gathering, running.outbox
        )
        with pytest.raises(OSError):
            await second.start()
        assert asyncio.all_tasks() == before


# --- the log ---------------------------------------------------------------------------------


async def test_the_log_tells_of_binds_and_refusals_in_one_line_each() -> None:
    async with bridge() as running:
        running.relay.answer = lambda s: (
            Failure(Reason.WRONG_PHONE, cause="1003") if "wrong" in s.text else Accepted(1, 1)
        )
        with capture_logs() as logs:
            peer = await running.connect()
            await peer.bind(password=b"guess")
            await peer.ask("bind_transceiver", Bind(b"crm", b"12345678"))
            peer.writer.write(struct.pack(">IIII", 85, 9, 0, 1) + b"crm\0" + b"p" * 65)
            await peer.read()
            await peer.bind()
            await peer.ask("submit_sm", a_submit(b"fine"))
            await peer.ask("submit_sm", a_submit(b"wrong"))
            await peer.ask("unbind")
            assert await peer.ends()
        logs = [line for line in logs if line["event"] != "login_failed"]  # the accounts' own
        events = [line["event"] for line in logs]
        assert events == ["bind_refused"] * 3 + ["bound", "submission_refused", "unbound"]
        assert "wrong login or password" in logs[0]["reason"]
        assert logs[2]["reason"] == "password is too long"
        refused = logs[4]
        assert refused["recipient"] == "380501234567"  # masked where it is written
        assert refused["reason"] == "wrong phone number [1003]"
        assert refused["status"] == "ESME_RINVDSTADR"
        assert refused["log_level"] == "warning"
        assert logs[5]["reason"] == "unbind by the client"
        assert logs[5]["submits"] == 2
        assert "guess" not in str(logs)
        assert "secret" not in str(logs)
        assert "'wrong'" not in str(logs)


async def test_throttled_submits_are_told_of_together() -> None:
    async with bridge(account={"window": 1}) as running:
        running.relay.answer = lambda _: None
        with capture_logs() as logs:
            peer = await running.bound()
            peer.write(*(Pdu("submit_sm", number, a_submit()) for number in range(100)))
            for _ in range(99):
                assert (await peer.read()).command_status == CommandStatus.ESME_RTHROTTLED
            running.relay.futures[0].set_result(Accepted(1, 1))
            assert (await peer.read()).command_status == CommandStatus.ESME_ROK
            assert (await peer.ask("unbind")).command == "unbind_resp"
            assert await peer.ends()
        lines = [line for line in logs if line["event"] == "submissions_throttled"]
        assert sum(line["submits"] for line in lines) == 99
        assert len(lines) <= 3


async def test_of_a_storm_of_refusals_the_number_is_told() -> None:
    async with bridge() as running:
        running.relay.answer = lambda _: Failure(Reason.WRONG_PHONE)
        with capture_logs() as logs:
            peer = await running.bound()
            peer.write(*(Pdu("submit_sm", number, a_submit()) for number in range(1000)))
            for _ in range(1000):
                assert (await peer.read()).command_status == CommandStatus.ESME_RINVDSTADR
            await peer.ask("unbind")
            assert await peer.ends()
        told = [line for line in logs if line["event"] == "submission_refused"]
        counted = [line["submits"] for line in logs if line["event"] == "submissions_refused"]
        assert len(told) + sum(counted) == 1000
        assert len(told) <= 100


# --- connections that do not bind ------------------------------------------------------------


@pytest.mark.parametrize(
    "limits", [{"max_connections": 3}, {"max_connections_per_address": 3}], ids=lambda one: str(one)
)
async def test_idle_connections_give_way_to_new_ones_the_oldest_first(
    limits: dict[str, int],
) -> None:
    async with bridge(limits) as running:
        bound = await running.bound()
        idle = [await running.connect() for _ in range(2)]
        for _ in range(2):
            # Whoever is answered is a connection that is counted.
            newer = await running.connect()
            assert (await newer.ask("enquire_link")).command_status == CommandStatus.ESME_ROK
            assert await idle.pop(0).ends()
            idle.append(newer)
        assert (await idle[-1].bind()).command_status == CommandStatus.ESME_ROK
        assert (await bound.ask("enquire_link")).command_status == CommandStatus.ESME_ROK


async def test_where_all_are_bound_a_new_one_is_told_that_there_is_no_room() -> None:
    async with bridge({"max_connections": 2}) as running:
        for _ in range(2):
            await running.bound()
        refused = await (await running.connect()).bind()
        assert refused.command_status == CommandStatus.ESME_RBINDFAIL


async def test_pdus_of_many_tlvs_before_a_bind_are_answered_by_their_headers() -> None:
    async with bridge() as running:
        peer = await running.connect()
        many = struct.pack(">IIII", 69_996, 4, 0, 7) + b"\x14\0\0\0" * 17_495
        peer.writer.write(many * 3)
        for _ in range(3):
            assert (await peer.read()).command_status == CommandStatus.ESME_RINVBNDSTS
        assert (await peer.bind()).command_status == CommandStatus.ESME_ROK
        # Bound, they are read; the connection's turns end all the same.
        peer.writer.write(many * 3)
        for _ in range(3):
            assert (await peer.read()).command == "submit_sm_resp"
