"""The clients of ``send`` and ``demo``: what they send, and the meaning of a reply."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from bridge.cli.clients import (
    DeliveryVerdict,
    ServerReply,
    ToSend,
    _address,
    _smpp_reply,
    _smtp_reply,
    _submit_sm,
    by_smpp,
    by_smtp,
)
from bridge.config.settings import Endpoint
from bridge.sandbox import Sandbox
from tests.running import Running
from tests.support import free_port

PHONE = "+380501234567"


def to_send(*to: str, text: str = "x", **more: Any) -> ToSend:
    return ToSend(to or (PHONE,), text, "crm", "secret12", **more)


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        (250, DeliveryVerdict.ACCEPTED),
        (354, DeliveryVerdict.ACCEPTED),
        (421, DeliveryVerdict.LATER),
        (451, DeliveryVerdict.LATER),
        (530, DeliveryVerdict.LOGIN),
        (535, DeliveryVerdict.LOGIN),
        (550, DeliveryVerdict.REFUSED),
    ],
)
def test_the_meaning_of_an_smtp_reply(code: int, verdict: DeliveryVerdict) -> None:
    reply = _smtp_reply(code, b"2.0.0 one\r\n2.0.0 two")
    assert reply == ServerReply(f"{code} 2.0.0 one / 2.0.0 two", verdict)
    assert reply.accepted == (verdict is DeliveryVerdict.ACCEPTED)


@pytest.mark.parametrize(
    ("command", "status", "verdict", "words"),
    [
        ("submit_sm_resp", 0x00, DeliveryVerdict.ACCEPTED, "ESME_ROK (0x00), message_id 17"),
        ("submit_sm_resp", 0x0B, DeliveryVerdict.REFUSED, "ESME_RINVDSTADR (0x0B)"),
        ("submit_sm_resp", 0x58, DeliveryVerdict.LATER, "ESME_RTHROTTLED (0x58)"),
        ("submit_sm_resp", 0x14, DeliveryVerdict.LATER, "ESME_RMSGQFUL (0x14)"),
        ("submit_sm_resp", 0x08, DeliveryVerdict.LATER, "ESME_RSYSERR (0x08)"),
        ("submit_sm_resp", 0x3FF, DeliveryVerdict.REFUSED, "reserved (0x3FF)"),
        ("bind_transmitter_resp", 0x0E, DeliveryVerdict.LOGIN, "ESME_RINVPASWD (0x0E)"),
    ],
)
def test_the_meaning_of_an_smpp_status(
    command: str, status: int, verdict: DeliveryVerdict, words: str
) -> None:
    assert _smpp_reply(command, status, b"17") == ServerReply(f"{command} {words}", verdict)


def test_a_name_with_spaces_is_a_quoted_local_part() -> None:
    assert _address("+380501234567", "a.example") == "+380501234567@a.example"
    assert _address("нічна", "a.example") == "нічна@a.example"
    assert _address('the "night" \\', "a.example") == '"the \\"night\\" \\\\"@a.example'


def test_a_text_is_gsm_if_it_can_be_and_long_ones_are_a_payload() -> None:
    short = _submit_sm(to_send(text="Hello"))
    assert (short["data_coding"], short["short_message"]) == (0, b"Hello")
    assert (short["dest_addr_ton"], short["destination_addr"]) == (1, "380501234567")
    assert _submit_sm(to_send("0501234567"))["dest_addr_ton"] == 0
    wide = _submit_sm(to_send(text="Код"))
    assert (wide["data_coding"], wide["short_message"]) == (8, "Код".encode("utf-16-be"))
    assert "message_payload" not in _submit_sm(to_send(text="a" * 254))
    long = _submit_sm(to_send(text="a" * 255))
    assert (long["short_message"], long["message_payload"]) == (b"", b"a" * 255)


async def test_lines_that_begin_with_a_dot_arrive_as_written(
    bridge: Running, sandbox: Sandbox
) -> None:
    smtp, _ = await bridge.ready()
    text = "first\n.second\n..third"
    reply = await asyncio.to_thread(by_smtp, smtp, to_send(text=text))
    assert reply.accepted, reply
    assert [message.text for message in sandbox.messages] == [text]


async def test_receipts_are_heard_by_a_client_that_waits_for_them(
    bridge: Running, sandbox: Sandbox
) -> None:
    _, smpp = await bridge.ready()
    sandbox.fault("400", phones=[PHONE])
    asked = to_send(fields={"registered_delivery": 1})
    reply = await asyncio.to_thread(by_smpp, smpp, asked)
    assert (reply.verdict, reply.heard) == (DeliveryVerdict.REFUSED, ())


async def test_a_port_without_a_bridge_is_an_error(tmp_path: Path) -> None:
    nobody = Endpoint("127.0.0.1", free_port())
    for send in (by_smtp, by_smpp):
        with pytest.raises(OSError, match="refused"):
            await asyncio.to_thread(send, nobody, to_send())


async def test_a_server_that_hangs_up_is_an_error() -> None:
    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        for send in (by_smtp, by_smpp):
            with pytest.raises(OSError, match=r"closed|unexpectedly"):
                await asyncio.to_thread(send, Endpoint("127.0.0.1", port), to_send())
