"""Receipts and messages from phones on the wire, with outbox, store and API."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bridge.model.message import State, Stored
from bridge.model.notice import Incoming, receivers_of
from bridge.relay.concatenation import Gathering
from bridge.sandbox import Sandbox
from bridge.smpp.inbound.listener import SmppListener
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
from bridge.store import Status as ApiStatus
from tests.relaying import Relaying, relaying
from tests.smpp.outbound.test_receipt import words
from tests.smpp.peer import Peer, a_submit

QUEUE = receivers_of("crm")


class Served:
    """A bridge from the listener to the API; tests post the statuses."""

    def __init__(self, running: Relaying, port: int, listener: SmppListener) -> None:
        self.running = running
        self.port = port
        self.listener = listener
        self.peers: list[Peer] = []

    async def bound(
        self, command: str = "bind_transceiver", name: bytes = b"crm", version: int = 0x34
    ) -> Peer:
        peer = Peer(*await asyncio.open_connection("127.0.0.1", self.port))
        self.peers.append(peer)
        resp = await peer.bind(command, name, interface_version=version)
        assert resp.command_status == CommandStatus.ESME_ROK
        return peer

    async def submit(self, peer: Peer, registered_delivery: int = 1, **fields: Any) -> bytes:
        """The id in the answer."""
        submit = a_submit(registered_delivery=registered_delivery, **fields)
        resp = await peer.ask("submit_sm", submit)
        assert resp.command_status == CommandStatus.ESME_ROK
        assert isinstance(resp.body, MessageIdResp)
        return resp.body.message_id

    async def ended(self, *ids: bytes, state: State = State.DELIVERED, err: int = 0) -> None:
        """Posts the final states of these (ids of messages or of parts)."""
        for id in ids:
            stored = await self._sent(int(id, 16 if len(id) == 8 else 10))
            said = ApiStatus(stored.upstream_id, state.value, state, int(time.time()), err=err)
            await self.running.store.note_statuses([said])

    async def _sent(self, id: int) -> Stored:
        """The message with this id, once the API has accepted it."""
        async with asyncio.timeout(10):
            while True:
                stored = await self.running.store.message(id)
                if stored is not None and stored.upstream_id:
                    return stored
                await asyncio.sleep(0.01)

    async def nothing_left(self) -> None:
        """Waits until no notice is owed."""
        async with asyncio.timeout(10):
            while await self._left():  # noqa: ASYNC110 - of another thread's database
                await asyncio.sleep(0.02)

    async def _left(self) -> int:
        store: Any = self.running.store
        rows = await store._rows("SELECT count(*) FROM notice WHERE ended_at = 0")
        return int(rows[0][0])


@asynccontextmanager
async def served(
    folder: Path, *, smpp: dict[str, Any] | None = None, parts_timeout: float = 300, **account: Any
) -> AsyncIterator[Served]:
    accounts = {"crm": {"schedule": "bridge", **account}, "other": {"sender": "Other"}}
    async with Sandbox() as sandbox, relaying(folder, sandbox, accounts=accounts) as running:
        relay = running.relay
        gathering = Gathering(running.store, relay, relay.next_id, parts_timeout)
        update = {"listen": [("127.0.0.1", 0)], **(smpp or {})}
        settings = running.settings.smpp.model_copy(update=update)
        outbox = running.outbox
        listener = SmppListener(settings, running.accounts, relay, gathering, outbox)
        sweeping = asyncio.create_task(gathering.run())
        [endpoint] = await listener.start()
        serving = Served(running, endpoint.port, listener)
        try:
            yield serving
        finally:
            for peer in serving.peers:
                await peer.close()
            await listener.close()
            sweeping.cancel()
            await asyncio.wait({sweeping})


async def told(peer: Peer, *, answer: int | None = 0, within: float = 5) -> Pdu:
    """The bridge's next request, which is answered."""
    while (pdu := await peer.read(within)).command == "enquire_link":
        peer.write(Pdu("enquire_link_resp", pdu.sequence_number))
    assert pdu.command in ("deliver_sm", "data_sm"), pdu
    if answer is not None:
        body = MessageIdResp() if not answer else None
        peer.write(Pdu(f"{pdu.command}_resp", pdu.sequence_number, body, command_status=answer))
    return pdu


async def quiet(peer: Peer) -> None:
    """Checks that nothing comes but the answer to our request."""
    assert (await peer.ask("enquire_link", number=99)).command == "enquire_link_resp"


async def until(met: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not met():  # noqa: ASYNC110 - what happens in between is what is tested
            await asyncio.sleep(0.01)


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
        said = words(await told(peer, within=15))
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
    async with served(tmp_path, parts_timeout=1) as serving:
        peer = await serving.bound()
        text = bytes((5, 0, 3, 7, 2, 1)) + b"half of it"
        id = await serving.submit(peer, text=text, esm_class=0x40)
        said = words(await told(peer))
        assert (said["id"], said["stat"], said["err"]) == (id.decode(), "EXPIRED", "248")


@pytest.mark.parametrize("version", [0x33, 0x34, 0x50])
@pytest.mark.parametrize("flags", [0, 1])
async def test_a_part_can_be_asked_for_while_it_waits_and_when_the_others_never_came(
    flags: int, version: int, tmp_path: Path
) -> None:
    async with served(tmp_path, parts_timeout=1) as serving:
        peer = await serving.bound("bind_transmitter", version=version)
        text = bytes((5, 0, 3, 7, 2, 1)) + b"half of it"
        id = await serving.submit(peer, flags, text=text, esm_class=0x40)
        on_its_way = QuerySmResp(id, b"", 1, 0)
        assert (await peer.ask("query_sm", QuerySm(id), number=10)).body == on_its_way
        other = await serving.bound("bind_transmitter", b"other", version)
        resp = await other.ask("query_sm", QuerySm(id), number=10)
        assert resp.command_status == CommandStatus.ESME_RQUERYFAIL
        done = await expired(serving, id)
        answer = (await peer.ask("query_sm", QuerySm(id), number=11)).body
        assert isinstance(answer, QuerySmResp)
        assert (answer.message_state, answer.error_code) == (3, 248)
        assert re.fullmatch(rf"{done}\d\d000\+", answer.final_date.decode())
        resp = await peer.ask("cancel_sm", CancelSm(message_id=id), number=12)
        assert resp.command_status == CommandStatus.ESME_RCANCELFAIL


async def expired(serving: Served, id: bytes) -> str:
    """Waits until the part with this id has expired; returns the time in a receipt's form."""
    async with asyncio.timeout(10):
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


# --- again -----------------------------------------------------------------------------------


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
        again = await told(peer, within=10)
        assert words(again)["id"].encode() == ids[0]
        assert time.monotonic() - began >= 4


async def test_an_unanswered_receipt_goes_to_another_session(tmp_path: Path) -> None:
    async with served(tmp_path, smpp={"response_timeout": 0.5, "enquire_link": 2}) as serving:
        silent = await serving.bound()
        id = await serving.submit(silent)
        await serving.ended(id)
        await told(silent, answer=None)
        good = await serving.bound("bind_receiver")
        assert words(await told(good, within=12))["id"] == id.decode()
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


# --- messages from phones --------------------------------------------------------------------


async def incoming(serving: Served, text: str) -> None:
    id = serving.running.relay.next_id()
    now = int(time.time())
    sent = Incoming(id, str(id), "crm", "+380501234567", "Shop", text, now, now)
    await serving.running.store.take_incoming([(sent, [QUEUE])])


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
