"""Receipts on the wire, with outbox, store and API: which ones come, and to whom."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path

import pytest

from bridge.model.message import State
from bridge.smpp.protocol.command_status import CommandStatus
from bridge.smpp.protocol.pdu import (
    CancelSm,
    MessageIdResp,
    Pdu,
    QuerySm,
    QuerySmResp,
    SmeAddress,
    SubmitMulti,
    SubmitMultiResp,
    SubmitSm,
)
from bridge.smpp.protocol.tlvs import RECEIPTED_MESSAGE_ID
from tests.smpp.delivering import Served, quiet, served, told, until
from tests.smpp.outbound.test_receipt import words
from tests.smpp.peer import a_submit

# --- who asked for what ----------------------------------------------------------------------

#: registered_delivery → receipts of a delivered message, and of an undelivered one.
WISHES = {
    0: ((), ()),
    1: (("DELIVRD",), ("UNDELIV",)),
    2: ((), ("UNDELIV",)),
    3: (("DELIVRD",), ()),
    16: (("ENROUTE",), ("ENROUTE",)),
    17: (("ENROUTE", "DELIVRD"), ("ENROUTE", "UNDELIV")),
    18: (("ENROUTE",), ("ENROUTE", "UNDELIV")),
    19: (("ENROUTE", "DELIVRD"), ("ENROUTE",)),
    # The bits between request acknowledgements of the phone; no Cascade channel has them.
    4: ((), ()),
    13: (("DELIVRD",), ("UNDELIV",)),
}


@pytest.mark.parametrize("state", [State.DELIVERED, State.UNDELIVERABLE])
@pytest.mark.parametrize("flags", WISHES)
async def test_registered_delivery_is_what_comes(flags: int, state: State, tmp_path: Path) -> None:
    expected = WISHES[flags][state is State.UNDELIVERABLE]
    async with served(tmp_path) as serving:
        peer = await serving.bound()
        id = await serving.submit(peer, flags)
        await serving.ended(id, state=state)
        stats = []
        for _ in expected:
            said = words(await told(peer))
            assert said["id"] == id.decode()
            stats.append(said["stat"])
        assert tuple(stats) == expected
        await serving.nothing_left()
        await quiet(peer)


async def test_a_receipt_and_query_sm_say_the_same(tmp_path: Path) -> None:
    async with served(tmp_path) as serving:
        peer = await serving.bound()
        id = await serving.submit(peer)
        await serving.ended(id, state=State.UNDELIVERABLE, err=11)
        receipt = await told(peer)
        assert words(receipt)["err"] == "011"
        assert receipt.tlv(RECEIPTED_MESSAGE_ID) == id + b"\0"
        queried = (await peer.ask("query_sm", QuerySm(id))).body
        assert isinstance(queried, QuerySmResp)
        assert (queried.message_state, queried.error_code) == (5, 11)


async def test_what_is_refused_in_the_answer_has_no_receipt(tmp_path: Path) -> None:
    async with served(tmp_path) as serving:
        serving.running.sandbox.fault("400")
        peer = await serving.bound()
        resp = await peer.ask("submit_sm", a_submit(registered_delivery=1))
        assert resp.command_status == CommandStatus.ESME_RINVDSTADR
        await quiet(peer)
        await serving.nothing_left()


async def test_a_message_refused_after_queued_has_a_receipt(tmp_path: Path) -> None:
    async with served(tmp_path, answer="queued") as serving:
        serving.running.sandbox.fault("400")
        peer = await serving.bound()
        id = await serving.submit(peer)
        said = words(await told(peer))
        assert (said["id"], said["stat"], said["err"]) == (id.decode(), "REJECTD", "249")


async def test_a_message_that_expires_after_queued_has_a_receipt(tmp_path: Path) -> None:
    async with served(tmp_path, answer="queued") as serving:
        serving.running.sandbox.fault("503")
        peer = await serving.bound()
        id = await serving.submit(peer, validity_period=b"000000000001000R")
        said = words(await told(peer))
        assert (said["id"], said["stat"], said["err"]) == (id.decode(), "EXPIRED", "248")
        queried = (await peer.ask("query_sm", QuerySm(id))).body
        assert isinstance(queried, QuerySmResp)
        assert (queried.message_state, queried.error_code) == (3, 248)
        assert serving.running.sandbox.messages == []


async def test_what_is_cancelled_is_deleted(tmp_path: Path) -> None:
    async with served(tmp_path) as serving:
        peer = await serving.bound()
        in_an_hour = b"000000010000000R"
        id = await serving.submit(peer, schedule_delivery_time=in_an_hour)
        await serving.running.relay.cancel(serving.running.account(), int(id))
        assert words(await told(peer))["stat"] == "DELETED"


async def test_each_part_that_asked_has_its_own(tmp_path: Path) -> None:
    async with served(tmp_path) as serving:
        peer = await serving.bound()
        ids = [
            await serving.submit(
                peer,
                flags,
                text=bytes((5, 0, 3, 7, 3, number)) + b"part %d" % number,
                esm_class=0x40,
            )
            for number, flags in ((1, 1), (2, 0), (3, 1))
        ]
        await serving.ended(ids[0])
        said = [words(await told(peer))["id"] for _ in range(2)]
        assert said == [ids[0].decode(), ids[2].decode()]
        await serving.nothing_left()


async def test_a_missing_part_has_the_others_expire(tmp_path: Path) -> None:
    async with served(tmp_path) as serving:
        peer = await serving.bound()
        text = bytes((5, 0, 3, 7, 2, 1)) + b"half of it"
        id = await serving.submit(peer, text=text, esm_class=0x40)
        serving.end_of_parts()
        said = words(await told(peer))
        assert (said["id"], said["stat"], said["err"]) == (id.decode(), "EXPIRED", "248")


@pytest.mark.parametrize("version", [0x33, 0x34, 0x50])
@pytest.mark.parametrize("flags", [0, 1])
async def test_a_part_can_be_asked_for_while_it_waits_and_when_the_others_never_came(
    flags: int, version: int, tmp_path: Path
) -> None:
    async with served(tmp_path) as serving:
        peer = await serving.bound("bind_transmitter", version=version)
        text = bytes((5, 0, 3, 7, 2, 1)) + b"half of it"
        id = await serving.submit(peer, flags, text=text, esm_class=0x40)
        on_its_way = QuerySmResp(id, b"", 1, 0)
        assert (await peer.ask("query_sm", QuerySm(id), number=10)).body == on_its_way
        other = await serving.bound("bind_transmitter", b"other", version)
        resp = await other.ask("query_sm", QuerySm(id), number=10)
        assert resp.command_status == CommandStatus.ESME_RQUERYFAIL
        serving.end_of_parts()
        done = await expired(serving, id)
        answer = (await peer.ask("query_sm", QuerySm(id), number=11)).body
        assert isinstance(answer, QuerySmResp)
        assert (answer.message_state, answer.error_code) == (3, 248)
        assert re.fullmatch(rf"{done}\d\d000\+", answer.final_date.decode())
        resp = await peer.ask("cancel_sm", CancelSm(message_id=id), number=12)
        assert resp.command_status == CommandStatus.ESME_RCANCELFAIL


async def expired(serving: Served, id: bytes) -> str:
    """Waits until the part with this id has expired; returns the time in a receipt's form."""
    async with asyncio.timeout(30):
        while True:
            part = await serving.running.store.unjoined(int(id, 16 if len(id) == 8 else 10))
            if part is not None and part.notice is not None:
                return time.strftime("%y%m%d%H%M", time.gmtime(part.changed_at))
            await asyncio.sleep(0.02)


async def test_one_receipt_for_each_of_many_under_the_one_id(tmp_path: Path) -> None:
    async with served(tmp_path) as serving:
        peer = await serving.bound()
        phones = [b"380501234567", b"380501234568"]
        many = SubmitMulti(
            dest_address=tuple(SmeAddress(1, 1, phone) for phone in phones),
            registered_delivery=1,
            short_message=b"hi",
        )
        resp = await peer.ask("submit_multi", many)
        assert isinstance(resp.body, SubmitMultiResp)
        for stored in await serving.running.store.submission(int(resp.body.message_id)):
            await serving.ended(b"%016d" % stored.message.id)
        receipts = [await told(peer) for _ in phones]
        assert {words(pdu)["id"] for pdu in receipts} == {resp.body.message_id.decode()}
        sources = [pdu.body.source_addr for pdu in receipts if isinstance(pdu.body, SubmitSm)]
        assert sorted(sources) == phones


async def test_3_3_has_eight_hexadecimal_digits_and_no_tlvs(tmp_path: Path) -> None:
    async with served(tmp_path) as serving:
        receiver = await serving.bound("bind_receiver", version=0x33)
        sender = await serving.bound("bind_transmitter", version=0x33)
        id = await serving.submit(sender)
        assert len(id) == 8
        await serving.ended(id)
        receipt = await told(receiver)
        assert (words(receipt)["id"], receipt.tlvs) == (id.decode(), ())


# --- who is told -----------------------------------------------------------------------------


async def test_a_transmitter_and_other_accounts_are_told_nothing(tmp_path: Path) -> None:
    async with served(tmp_path) as serving:
        transmitter = await serving.bound("bind_transmitter")
        other = await serving.bound(name=b"other")
        id = await serving.submit(transmitter)
        await serving.ended(id)
        await quiet(transmitter)
        await quiet(other)
        receiver = await serving.bound("bind_receiver")
        assert words(await told(receiver))["id"] == id.decode()


async def test_the_session_that_submitted_is_told(tmp_path: Path) -> None:
    async with served(tmp_path) as serving:
        peers = [await serving.bound() for _ in range(3)]
        for peer in peers:
            ids = {(await serving.submit(peer)).decode() for _ in range(3)}
            await serving.ended(*(id.encode() for id in ids))
            assert {words(await told(peer))["id"] for _ in ids} == ids


async def test_a_window_of_unanswered_receipts_is_not_passed(tmp_path: Path) -> None:
    async with served(tmp_path, receive_window=2) as serving:
        peer = await serving.bound()
        ids = [await serving.submit(peer) for _ in range(5)]
        await serving.ended(*ids)
        first = [await told(peer, answer=None) for _ in range(2)]
        await quiet(peer)
        for receipt in first:
            peer.write(Pdu("deliver_sm_resp", receipt.sequence_number, MessageIdResp()))
        rest = [await told(peer) for _ in range(3)]
        assert [words(pdu)["id"].encode() for pdu in (*first, *rest)] == ids


async def test_a_session_that_does_not_read_is_told_no_more_than_its_window(
    tmp_path: Path,
) -> None:
    async with served(tmp_path, receive_window=50) as serving:
        deaf = await serving.bound("bind_receiver")
        sender = await serving.bound("bind_transmitter")
        ids = [await serving.submit(sender) for _ in range(100)]
        await serving.ended(*ids)
        await until(lambda: any(info.telling == 50 for info in serving.listener.sessions()))
        good = await serving.bound("bind_receiver")
        for _ in range(50):
            await told(good)
        await deaf.close()
        for _ in range(50):
            await told(good)
        await serving.nothing_left()
