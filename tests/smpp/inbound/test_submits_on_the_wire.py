"""Submits of a bound session, their responses and log events."""

from __future__ import annotations

import struct

import pytest
from structlog.testing import capture_logs

from bridge.model.failure import Failure, Reason
from bridge.model.message import Accepted, Outcome, Submission
from bridge.smpp.protocol.command_status import CommandStatus
from bridge.smpp.protocol.pdu import (
    Bind,
    MessageIdResp,
    Pdu,
)
from tests.smpp.peer import FIRST_ID, a_submit, bridge, failure_text


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
        assert failure_text(resp).startswith(f"ERROR = {reason.codes.fmt} (")


async def test_an_account_may_ask_for_the_text_in_its_own_form() -> None:
    async with bridge(account={"failure_text": True, "reply_fmt": 3}) as running:
        running.relay.answer = lambda _: Failure(Reason.WRONG_PHONE)
        peer = await running.bound()
        resp = await peer.ask("submit_sm", a_submit())
        assert failure_text(resp) == '{"error": "wrong phone number", "error_code": 7}'


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


async def test_an_outcome_without_its_client_is_dropped() -> None:
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


# --- the log ---------------------------------------------------------------------------------


async def test_connections_without_a_bind_are_counted_in_the_log() -> None:
    async with bridge() as running:
        with capture_logs() as logs:
            for _ in range(5):
                peer = await running.connect()
                peer.writer.write(struct.pack(">IIII", 5, 9, 0, 1))
                assert (await peer.read()).command == "generic_nack"
                assert await peer.ends()
                peer = await running.connect()
                peer.writer.write(struct.pack(">IIII", 85, 9, 0, 1) + b"crm\0" + b"p" * 65)
                await peer.read()
                await peer.close()
        events = sorted(line["event"] for line in logs)
        assert events == ["bind_refused", "connection_closed"]


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
        assert refused["recipient"] == "380501234567"  # masked by the log's processor
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


async def test_a_storm_of_refusals_is_logged_as_a_count() -> None:
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
