"""SMPP with relay, store and sandbox API: messages from the clients' view."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bridge.relay.concatenation import Gathering
from bridge.sandbox import Sandbox
from bridge.smpp.inbound.listener import SmppListener
from bridge.smpp.protocol.command_status import CommandStatus
from bridge.smpp.protocol.pdu import (
    CancelSm,
    DistributionList,
    MessageIdResp,
    QuerySm,
    QuerySmResp,
    ReplaceSm,
    SmeAddress,
    SubmitMulti,
    SubmitMultiResp,
    UnsuccessSme,
)
from tests.relaying import Relaying, relaying
from tests.smpp.peer import Peer, a_submit

IN_AN_HOUR = b"000000010000000R"


@asynccontextmanager
async def served(folder: Path, **account: Any) -> AsyncIterator[tuple[Relaying, int]]:
    """A bridge from the listener to the API, and its port."""
    accounts = {"crm": {"schedule": "bridge", **account}, "other": {"sender": "Other"}}
    async with Sandbox() as sandbox, relaying(folder, sandbox, accounts=accounts) as running:
        relay = running.relay
        gathering = Gathering(running.store, relay, relay.next_id, 300)
        smpp = running.settings.smpp.model_copy(update={"listen": [("127.0.0.1", 0)]})
        listener = SmppListener(smpp, running.accounts, relay, gathering, running.outbox)
        sweeping = asyncio.create_task(gathering.run())
        [endpoint] = await listener.start()
        try:
            yield running, endpoint.port
        finally:
            await listener.close()
            sweeping.cancel()
            await asyncio.wait({sweeping})


async def bound(port: int, name: bytes = b"crm", version: int = 0x34) -> Peer:
    peer = Peer(*await asyncio.open_connection("127.0.0.1", port))
    resp = await peer.bind("bind_transmitter", name, interface_version=version)
    assert resp.command_status == CommandStatus.ESME_ROK
    return peer


async def submitted(peer: Peer, *tlvs: Any, **fields: Any) -> bytes:
    resp = await peer.ask("submit_sm", a_submit(**fields), *tlvs)
    assert resp.command_status == CommandStatus.ESME_ROK
    assert isinstance(resp.body, MessageIdResp)
    return resp.body.message_id


async def state(peer: Peer, message_id: bytes) -> int:
    resp = await peer.ask("query_sm", QuerySm(message_id))
    assert resp.command_status == CommandStatus.ESME_ROK
    assert isinstance(resp.body, QuerySmResp)
    return resp.body.message_state


async def test_a_message_is_submitted_and_asked_about(tmp_path: Path) -> None:
    async with served(tmp_path) as (running, port):
        peer, other = await bound(port), await bound(port, b"other")
        id = await submitted(peer)
        assert [str(m.id).encode() for m in running.sandbox.messages] == [id]
        assert await state(peer, id) == 1
        resp = await other.ask("query_sm", QuerySm(id))
        assert resp.command_status == CommandStatus.ESME_RQUERYFAIL
        resp = await peer.ask("cancel_sm", CancelSm(message_id=id))
        assert resp.command_status == CommandStatus.ESME_RCANCELFAIL  # the API has it


async def test_a_message_that_waits_is_replaced_and_cancelled(tmp_path: Path) -> None:
    async with served(tmp_path) as (running, port):
        peer = await bound(port, version=0x50)
        id = await submitted(peer, schedule_delivery_time=IN_AN_HOUR)
        assert await state(peer, id) == 0
        body = ReplaceSm(id, short_message=b"another text", registered_delivery=1)
        assert (await peer.ask("replace_sm", body)).command_status == CommandStatus.ESME_ROK
        [stored] = await running.relay.query(running.account(), int(id))
        assert (stored.message.text, int(stored.message.receipts)) == ("another text", 3)
        refused = await peer.ask("replace_sm", body._replace(source_addr=b"Other"))
        assert refused.command_status == CommandStatus.ESME_RREPLACEFAIL
        resp = await peer.ask("cancel_sm", CancelSm(message_id=id))
        assert resp.command_status == CommandStatus.ESME_ROK
        assert await state(peer, id) == 4
        resp = await peer.ask("replace_sm", body)
        assert resp.command_status == CommandStatus.ESME_RREPLACEFAIL
        assert running.sandbox.messages == []


async def test_messages_are_cancelled_by_source_destination_and_service_type(
    tmp_path: Path,
) -> None:
    async with served(tmp_path) as (_, port):
        peer = await bound(port)
        later = {"schedule_delivery_time": IN_AN_HOUR}
        promo = await submitted(peer, service_type=b"PROMO", **later)
        trans = await submitted(peer, **later)
        elsewhere = await submitted(peer, to=b"380501234568", **later)
        body = CancelSm(b"PROMO", b"", 0, 0, b"Shop", 1, 1, b"380501234567")
        assert (await peer.ask("cancel_sm", body)).command_status == CommandStatus.ESME_ROK
        assert [await state(peer, id) for id in (promo, trans, elsewhere)] == [4, 1, 1]
        assert (await peer.ask("cancel_sm", body)).command_status == CommandStatus.ESME_RCANCELFAIL
        body = body._replace(service_type=b"", source_addr=b"")
        assert (await peer.ask("cancel_sm", body)).command_status == CommandStatus.ESME_ROK
        assert [await state(peer, id) for id in (promo, trans, elsewhere)] == [4, 4, 1]


async def test_a_message_takes_the_place_of_one_that_waits(tmp_path: Path) -> None:
    async with served(tmp_path) as (running, port):
        peer = await bound(port)
        fields: dict[str, Any] = {
            "schedule_delivery_time": IN_AN_HOUR,
            "replace_if_present_flag": 1,
        }
        first = await submitted(peer, **fields)
        second = await submitted(peer, text=b"newer", **fields)
        assert [await state(peer, id) for id in (first, second)] == [4, 1]
        wrong = a_submit(source_addr=b"Nobody", **fields)
        resp = await peer.ask("submit_sm", wrong)
        assert resp.command_status == CommandStatus.ESME_RINVSRCADR
        assert await state(peer, second) == 1
        assert running.sandbox.messages == []


async def test_submit_multi_goes_to_those_that_can_be_reached(tmp_path: Path) -> None:
    async with served(tmp_path) as (running, port):
        peer = await bound(port)
        to = (
            SmeAddress(1, 1, b"380501234567"),
            SmeAddress(1, 1, b"12"),
            SmeAddress(0, 1, b"0501234568"),
            DistributionList(b"staff"),
        )
        resp = await peer.ask("submit_multi", SubmitMulti(dest_address=to, short_message=b"hi"))
        assert isinstance(resp.body, SubmitMultiResp)
        assert resp.body.unsuccess_sme == (
            UnsuccessSme(1, 1, b"12", CommandStatus.ESME_RINVDSTADR),
            UnsuccessSme(0, 0, b"staff", CommandStatus.ESME_RINVDSTADR),
        )
        phones = sorted(message.phone for message in running.sandbox.messages)
        assert phones == ["+380501234567", "+380501234568"]
        assert await state(peer, resp.body.message_id) == 1


async def test_parts_over_two_sessions_are_one_message_that_each_id_leads_to(
    tmp_path: Path,
) -> None:
    async with served(tmp_path) as (running, port):
        peer, older = await bound(port), await bound(port, version=0x33)
        header = b"\5\0\3\7\2"
        first = await submitted(peer, text=header + b"\1one ", esm_class=0x40)
        second = await submitted(older, text=header + b"\2two", esm_class=0x40)
        assert len(second) == 8
        assert [m.text for m in running.sandbox.messages] == ["one two"]
        assert await state(peer, first) == await state(older, second) == 1
