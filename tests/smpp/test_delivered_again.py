"""Receipts that are refused or not answered, and messages from phones, on the wire."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from bridge.smpp.protocol.command_status import CommandStatus
from bridge.smpp.protocol.pdu import (
    MessageIdResp,
    Pdu,
    SubmitSm,
)
from tests.smpp.delivering import incoming, quiet, served, told
from tests.smpp.outbound.test_receipt import words
from tests.smpp.peer import Peer


@pytest.mark.parametrize("status", [CommandStatus.ESME_RX_P_APPN, CommandStatus.ESME_RX_R_APPN])
async def test_a_receipt_refused_for_good_is_not_retried(
    status: CommandStatus, tmp_path: Path
) -> None:
    async with served(tmp_path) as serving:
        peer = await serving.bound()
        id = await serving.submit(peer)
        await serving.ended(id)
        await told(peer, answer=status)
        await serving.nothing_left()


async def test_a_refused_receipt_is_retried_with_back_off_and_others_pass(tmp_path: Path) -> None:
    async with served(tmp_path) as serving:
        peer = await serving.bound()
        ids = [await serving.submit(peer) for _ in range(2)]
        await serving.ended(ids[0])
        began = time.monotonic()
        await told(peer, answer=CommandStatus.ESME_RX_T_APPN)
        await serving.ended(ids[1])
        assert words(await told(peer))["id"].encode() == ids[1]
        again = await told(peer)
        assert words(again)["id"].encode() == ids[0]
        assert time.monotonic() - began >= 4


async def test_an_unanswered_receipt_goes_to_another_session(tmp_path: Path) -> None:
    async with served(tmp_path, smpp={"response_timeout": 0.5, "enquire_link": 2}) as serving:
        silent = await serving.bound()
        id = await serving.submit(silent)
        await serving.ended(id)
        await told(silent, answer=None)
        good = await serving.bound("bind_receiver")
        assert words(await told(good))["id"] == id.decode()
        await serving.nothing_left()


async def test_unanswered_notices_of_a_lost_session_go_to_the_next(tmp_path: Path) -> None:
    async with served(tmp_path) as serving:
        peer = await serving.bound()
        ids = [await serving.submit(peer) for _ in range(3)]
        await serving.ended(*ids)
        await told(peer)
        await told(peer, answer=None)
        await told(peer, answer=None)
        await quiet(peer)  # what came before is read
        await peer.close()
        back = await serving.bound("bind_receiver")
        said = [words(await told(back))["id"].encode() for _ in range(2)]
        assert said == ids[1:]
        await serving.nothing_left()


async def test_an_answer_with_a_broken_body_is_an_answer(tmp_path: Path) -> None:
    async with served(tmp_path) as serving:
        peer = await serving.bound()
        id = await serving.submit(peer)
        await serving.ended(id)
        number = (await told(peer, answer=None)).sequence_number
        header = b"\0\0\0\x13\x80\0\0\5\0\0\0\0" + number.to_bytes(4, "big")
        peer.writer.write(header + b"abc")
        await serving.nothing_left()


async def test_the_end_of_the_bridge_waits_for_answers_a_little(tmp_path: Path) -> None:
    async with served(tmp_path) as serving:
        peer = await serving.bound()
        ids = [await serving.submit(peer) for _ in range(2)]
        await serving.ended(*ids)
        first, _ = [await told(peer, answer=None) for _ in ids]
        serving.running.outbox.stop()
        draining = asyncio.create_task(serving.listener.drain(10))
        peer.write(Pdu("deliver_sm_resp", first.sequence_number, MessageIdResp()))
        unbind = await peer.read()
        assert unbind.command == "unbind"
        peer.write(Pdu("unbind_resp", unbind.sequence_number))
        await draining
        await serving.running.outbox.close()
        assert await serving._left() == 1


async def test_a_message_from_a_phone_comes_to_a_receiver(tmp_path: Path) -> None:
    async with served(tmp_path) as serving:
        peer = await serving.bound("bind_receiver")
        await incoming(serving, "Так")
        body = (await told(peer)).body
        assert isinstance(body, SubmitSm)
        assert (body.source_addr, body.destination_addr) == (b"380501234567", b"Shop")
        assert (body.esm_class, body.data_coding) == (0, 8)
        assert body.short_message == "Так".encode("utf-16-be")
        await serving.nothing_left()


async def test_system_type_iso_gets_latin_1(tmp_path: Path) -> None:
    async with served(tmp_path) as serving:
        peer = Peer(*await asyncio.open_connection("127.0.0.1", serving.port))
        serving.peers.append(peer)
        await peer.bind("bind_receiver", system_type=b"ISO")
        await incoming(serving, "é")
        body = (await told(peer)).body
        assert isinstance(body, SubmitSm)
        assert (body.data_coding, body.short_message) == (0, b"\xe9")


async def test_a_long_one_comes_in_parts_one_after_the_other(tmp_path: Path) -> None:
    async with served(tmp_path) as serving:
        peer = await serving.bound("bind_receiver")
        await incoming(serving, "x" * 400)
        for number in (1, 2, 3):
            pdu = await told(peer, answer=None)
            assert isinstance(pdu.body, SubmitSm)
            assert pdu.body.short_message[:3] == b"\5\0\3"
            assert pdu.body.short_message[4:6] == bytes((3, number))
            await quiet(peer)
            peer.write(Pdu("deliver_sm_resp", pdu.sequence_number, MessageIdResp()))
        await serving.nothing_left()
